#include "backends/table/answer_cache.h"

#include <iterator>

namespace proxyd::table {
namespace {

constexpr std::size_t bytes_per_answer = 1024;  // on average, of a full cache

// Bytes of an answer beside its texts: the entry, and its place in the index.
constexpr std::size_t overhead = 192;

}  // namespace

const AnswerCache::Answer* AnswerCache::fresh(const std::string& key, TimePoint now) {
    const auto* answer = find(key, now, false);
    ++(answer != nullptr ? stats_.hits : stats_.misses);
    return answer;
}

const AnswerCache::Answer* AnswerCache::stale(const std::string& key, TimePoint now) {
    const auto* answer = find(key, now, true);
    if (answer != nullptr) ++stats_.stale;
    return answer;
}

const AnswerCache::Answer* AnswerCache::find(const std::string& key, TimePoint now, bool asked_in_vain) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    const auto entry = found->second;
    const auto age = now - entry->answer.asked;
    const Duration limit = asked_in_vain ? settings_.stale_ttl : fresh_for(entry->answer.value);
    if (age > limit || limit == Duration::zero()) {
        if (age > settings_.stale_ttl && age > fresh_for(entry->answer.value)) forget(entry);
        return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, entry);
    return &entry->answer;
}

void AnswerCache::keep(const std::string& key, const std::string& value, const Question& question) {
    if (question.flushes != flushes_) return;
    if (const auto found = by_key_.find(key); found != by_key_.end()) {
        // Of two lookups under way the later one may be answered first.
        if (found->second->answer.asked > question.asked) return;
        forget(found->second);
    }
    if (fresh_for(value) == Duration::zero() && settings_.stale_ttl == Duration::zero()) return;
    const auto size = static_cast<std::size_t>(settings_.cache_size);
    entries_.push_front({key, {value, question.asked}});
    bytes_ += bytes_of(entries_.front());
    by_key_.emplace(entries_.front().key, entries_.begin());
    while (entries_.size() > size || bytes_ > size * bytes_per_answer) forget(std::prev(entries_.end()));
}

std::size_t AnswerCache::flush() {
    ++flushes_;
    const auto count = entries_.size();
    by_key_.clear();
    entries_.clear();
    bytes_ = 0;
    return count;
}

std::size_t AnswerCache::flush(const std::string& key) {
    ++flushes_;
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return 0;
    forget(found->second);
    return 1;
}

CacheStats AnswerCache::stats() const {
    auto stats = stats_;
    stats.entries = entries_.size();
    return stats;
}

std::size_t AnswerCache::bytes_of(const Entry& entry) {
    return entry.key.size() + entry.answer.value.size() + overhead;
}

void AnswerCache::forget(Entries::iterator entry) {
    bytes_ -= bytes_of(*entry);
    by_key_.erase(entry->key);
    entries_.erase(entry);
}

}  // namespace proxyd::table
