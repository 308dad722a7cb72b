#include "backends/pool/ring_buffer.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <utility>

#include <gtest/gtest.h>

namespace proxyd::pool {
namespace {

using Element = std::shared_ptr<int>;

void expect_same(const RingBuffer<Element>& ring, const std::deque<Element>& model) {
    ASSERT_EQ(ring.size(), model.size());
    ASSERT_EQ(ring.empty(), model.empty());
    ASSERT_TRUE(std::equal(ring.begin(), ring.end(), model.begin(), model.end()));
    if (model.empty()) return;
    ASSERT_EQ(ring.front(), model.front());
    ASSERT_EQ(ring.back(), model.back());
}

TEST(RingBufferTest, IsLikeADeque) {
    std::minstd_rand random(1);
    const auto below = [&random](std::size_t limit) { return random() % limit; };
    RingBuffer<Element> ring;
    std::deque<Element> model;
    for (int step = 0; step < 20000; ++step) {
        const auto element = std::make_shared<int>(step);
        // Grows and shrinks in turn.
        const bool grows = step / 100 % 2 == 0;
        switch (below(grows ? 4 : 7)) {
            case 0:
            case 1:
                ring.push_back(element);
                model.push_back(element);
                break;
            case 2:
                ring.push_front(element);
                model.push_front(element);
                break;
            case 3:
            case 4:
                if (model.empty()) break;
                ring.pop_front();
                model.pop_front();
                break;
            case 5:
                if (model.empty()) break;
                ring.pop_back();
                model.pop_back();
                break;
            default: {
                if (model.empty()) break;
                const auto index = below(model.size());
                ring.erase(index);
                model.erase(model.begin() + static_cast<std::ptrdiff_t>(index));
            }
        }
        expect_same(ring, model);
    }
    RingBuffer<Element> other(std::move(ring));
    expect_same(other, model);
    ring = other;
    expect_same(ring, model);
    other.clear();
    EXPECT_TRUE(other.empty());
    expect_same(ring, model);
}

TEST(RingBufferTest, KeepsNothingOfARemovedElement) {
    RingBuffer<Element> ring;
    const auto element = std::make_shared<int>(1);
    for (int i = 0; i < 5; ++i) ring.push_back(element);
    ring.pop_front();
    ring.pop_back();
    ring.erase(0);
    ring.erase(1);
    EXPECT_EQ(element.use_count(), 2);
    ring.clear();
    EXPECT_EQ(element.use_count(), 1);
}

TEST(RingBufferTest, IteratesBackwardsToo) {
    RingBuffer<int> ring;
    for (int i = 0; i < 12; ++i) ring.push_back(i);
    for (int i = 0; i < 6; ++i) ring.pop_front();
    for (int i = 12; i < 16; ++i) ring.push_back(i);
    int expected = 16;
    for (auto place = ring.end(); place != ring.begin();) EXPECT_EQ(*--place, --expected);
    EXPECT_EQ(expected, 6);
    EXPECT_EQ(std::find(ring.begin(), ring.end(), 9).index(), 3U);
}

}  // namespace
}  // namespace proxyd::pool
