// The pure part of the answer cache: age, bounds, flushing.
#include "backends/table/answer_cache.h"

#include <gtest/gtest.h>

namespace proxyd::table {
namespace {

using namespace std::chrono_literals;

class AnswerCacheTest : public testing::Test {
  protected:
    std::string fresh(AnswerCache& cache, const std::string& key) const {
        return text(cache.fresh(key, now));
    }
    std::string stale(AnswerCache& cache, const std::string& key) const {
        return text(cache.stale(key, now));
    }
    void keep(AnswerCache& cache, const std::string& key, const std::string& value) const {
        cache.keep(key, value, cache.question(now));
    }

    static CacheSettings settings(std::chrono::milliseconds ttl, std::chrono::milliseconds negative_ttl,
                                  std::chrono::milliseconds stale_ttl, int size = 100) {
        return {ttl, negative_ttl, stale_ttl, size};
    }

    TimePoint now{1h};

  private:
    static std::string text(const AnswerCache::Answer* answer) {
        if (answer == nullptr) return "UNKNOWN";
        return answer->value.empty() ? "NOT FOUND" : answer->value;
    }
};

TEST_F(AnswerCacheTest, FoundAndNotFoundHaveTimesOfTheirOwn) {
    AnswerCache cache(settings(10s, 2s, 0s));
    keep(cache, "a", "x");
    keep(cache, "b", "");
    now += 2s;
    EXPECT_EQ(fresh(cache, "a"), "x");
    EXPECT_EQ(fresh(cache, "b"), "NOT FOUND");
    now += 1ms;
    EXPECT_EQ(fresh(cache, "b"), "UNKNOWN");
    EXPECT_EQ(cache.stats().entries, 1U) << "what is of no more use is forgotten";
    now += 8s;
    EXPECT_EQ(fresh(cache, "a"), "UNKNOWN");
    EXPECT_EQ(cache.stats().entries, 0U);
    EXPECT_EQ(cache.stats().hits, 2U);
    EXPECT_EQ(cache.stats().misses, 2U);
}

TEST_F(AnswerCacheTest, WithoutATimeAnAnswerIsNotKept) {
    AnswerCache cache(settings(10s, 0s, 0s));
    keep(cache, "a", "");
    EXPECT_EQ(fresh(cache, "a"), "UNKNOWN");
    EXPECT_EQ(cache.stats().entries, 0U);
    AnswerCache other(settings(0s, 10s, 0s));
    keep(other, "a", "x");
    EXPECT_EQ(fresh(other, "a"), "UNKNOWN");
    EXPECT_EQ(other.stats().entries, 0U);
}

// The mailbox is deleted while its address is cached.
TEST_F(AnswerCacheTest, ANewAnswerRefutesTheOldOneEvenWhenItIsNotKept) {
    AnswerCache cache(settings(10s, 0s, 0s));
    keep(cache, "a", "x");
    now += 1s;
    keep(cache, "a", "");
    EXPECT_EQ(fresh(cache, "a"), "UNKNOWN");
}

TEST_F(AnswerCacheTest, StaleAnswersAreForThoseWhoAskedInVain) {
    AnswerCache cache(settings(1s, 0s, 60s));
    keep(cache, "a", "x");
    keep(cache, "b", "");
    now += 60s;
    EXPECT_EQ(fresh(cache, "a"), "UNKNOWN");
    EXPECT_EQ(stale(cache, "a"), "x");
    EXPECT_EQ(stale(cache, "b"), "NOT FOUND");
    EXPECT_EQ(stale(cache, "c"), "UNKNOWN");
    now += 1ms;
    EXPECT_EQ(stale(cache, "a"), "UNKNOWN");
    EXPECT_EQ(cache.stats().stale, 2U);
}

TEST_F(AnswerCacheTest, WithoutStaleTtlNothingIsGivenInVain) {
    AnswerCache cache(settings(10s, 10s, 0s));
    keep(cache, "a", "x");
    EXPECT_EQ(stale(cache, "a"), "UNKNOWN");
}

TEST_F(AnswerCacheTest, TheAgeCountsFromTheQuestion) {
    AnswerCache cache(settings(10s, 0s, 0s));
    const auto question = cache.question(now);
    now += 8s;
    cache.keep("a", "x", question);
    EXPECT_EQ(fresh(cache, "a"), "x");
    now += 3s;
    EXPECT_EQ(fresh(cache, "a"), "UNKNOWN");
}

TEST_F(AnswerCacheTest, AnEarlierQuestionAnsweredLaterDoesNotWin) {
    AnswerCache cache(settings(10s, 0s, 0s));
    const auto early = cache.question(now);
    now += 1s;
    keep(cache, "a", "new");
    cache.keep("a", "old", early);
    EXPECT_EQ(fresh(cache, "a"), "new");
}

TEST_F(AnswerCacheTest, TheLeastRecentlyUsedMakeRoom) {
    AnswerCache cache(settings(10s, 0s, 0s, 3));
    keep(cache, "a", "x");
    keep(cache, "b", "x");
    keep(cache, "c", "x");
    EXPECT_EQ(fresh(cache, "a"), "x");
    keep(cache, "d", "x");
    EXPECT_EQ(fresh(cache, "b"), "UNKNOWN");
    for (const auto* key : {"a", "c", "d"}) EXPECT_EQ(fresh(cache, key), "x") << key;
    EXPECT_EQ(cache.stats().entries, 3U);
}

TEST_F(AnswerCacheTest, LongAnswersTakeThePlaceOfSeveral) {
    AnswerCache cache(settings(10s, 0s, 0s, 10));
    for (char key = 'a'; key < 'i'; ++key) keep(cache, std::string(1, key), "x");
    keep(cache, "long", std::string(9 * 1024, 'x'));
    EXPECT_LE(cache.stats().entries, 6U);
    EXPECT_NE(fresh(cache, "long"), "UNKNOWN");
    keep(cache, "too long", std::string(10 * 1024, 'x'));
    EXPECT_EQ(fresh(cache, "too long"), "UNKNOWN");
    EXPECT_EQ(cache.stats().entries, 0U);
    keep(cache, "a", "x");
    EXPECT_EQ(fresh(cache, "a"), "x");
}

TEST_F(AnswerCacheTest, FlushForgetsAllOrOne) {
    AnswerCache cache(settings(10s, 0s, 60s));
    for (const auto* key : {"a", "b", "c"}) keep(cache, key, "x");
    EXPECT_EQ(cache.flush("b"), 1U);
    EXPECT_EQ(cache.flush("b"), 0U);
    EXPECT_EQ(fresh(cache, "b"), "UNKNOWN");
    EXPECT_EQ(fresh(cache, "a"), "x");
    EXPECT_EQ(cache.flush(), 2U);
    EXPECT_EQ(fresh(cache, "a"), "UNKNOWN");
    EXPECT_EQ(stale(cache, "a"), "UNKNOWN");
}

// The administrator has changed the row and flushes the cache. An answer from before the flush must not be
// cached.
TEST_F(AnswerCacheTest, AnAnswerToAQuestionFromBeforeAFlushIsNotKept) {
    AnswerCache cache(settings(10s, 0s, 60s));
    const auto before = cache.question(now);
    EXPECT_EQ(cache.flush("a"), 0U);
    cache.keep("a", "old", before);
    EXPECT_EQ(fresh(cache, "a"), "UNKNOWN");
    keep(cache, "a", "new");
    EXPECT_EQ(fresh(cache, "a"), "new");
}

}  // namespace
}  // namespace proxyd::table
