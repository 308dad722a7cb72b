#include "backends/event/recycling_allocator.h"

#include <array>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace proxyd {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool recycles = false;  // so that AddressSanitizer sees the use of what was destroyed
#else
constexpr bool recycles = true;
#endif

struct Object {
    explicit Object(int& count) : count_(count) { ++count_; }
    ~Object() { --count_; }
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;

    int& count_;
    std::array<char, 100> bytes{};
};

TEST(RecyclingAllocatorTest, ANewObjectGetsTheMemoryOfADestroyedOne) {
    int count = 0;
    auto first = make_recycled<Object>(count);
    auto second = make_recycled<Object>(count);
    EXPECT_NE(first, second);
    EXPECT_EQ(count, 2);
    const auto* const memory = first.get();
    first.reset();
    EXPECT_EQ(count, 1);
    first = make_recycled<Object>(count);
    EXPECT_EQ(count, 2);
    if (recycles) {
        EXPECT_EQ(first.get(), memory);
    }
    first.reset();
    second.reset();
    EXPECT_EQ(count, 0);
}

// AddressSanitizer tells of memory that is never given back, or used twice.
TEST(RecyclingAllocatorTest, MoreThanItKeepsAndInAnyOrder) {
    int count = 0;
    std::vector<std::shared_ptr<Object>> objects;
    for (int i = 0; i < 1000; ++i) objects.push_back(make_recycled<Object>(count));
    for (std::size_t i = 0; i < objects.size(); i += 2) objects[i].reset();
    for (std::size_t i = 0; i < objects.size(); i += 4) objects[i] = make_recycled<Object>(count);
    EXPECT_EQ(count, 750);
    objects.clear();
    EXPECT_EQ(count, 0);
}

TEST(RecyclingAllocatorTest, AnotherThreadMayDestroyTheLastReference) {
    int count = 0;
    std::vector<std::shared_ptr<Object>> objects;
    for (int i = 0; i < 300; ++i) objects.push_back(make_recycled<Object>(count));
    std::thread([&objects] { objects.clear(); }).join();
    EXPECT_EQ(count, 0);
    (void)make_recycled<Object>(count);
    EXPECT_EQ(count, 0);
}

TEST(RecyclingAllocatorTest, SeveralAtATimeComeFromTheSystem) {
    std::vector<long, RecyclingAllocator<long>> numbers;
    for (long i = 0; i < 1000; ++i) numbers.push_back(i);
    for (long i = 0; i < 1000; ++i) ASSERT_EQ(numbers[static_cast<std::size_t>(i)], i);
}

}  // namespace
}  // namespace proxyd
