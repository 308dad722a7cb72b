// A queue in one block of memory.
#pragma once

#include <cstddef>
#include <iterator>
#include <type_traits>
#include <utility>
#include <vector>

namespace proxyd::pool {

// Like std::deque, for what goes through it with every lookup: it allocates only to grow. T has a default
// value, which takes the place of removed elements. A change invalidates iterators; push_*() also references.
template <typename T>
class RingBuffer {
  public:
    template <typename Buffer, typename Value>
    class Position {
      public:
        using iterator_category = std::bidirectional_iterator_tag;
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using pointer = Value*;
        using reference = Value&;

        Position() = default;
        Position(Buffer* buffer, std::size_t index) : buffer_(buffer), index_(index) {}

        [[nodiscard]] reference operator*() const { return (*buffer_)[index_]; }
        [[nodiscard]] pointer operator->() const { return &(*buffer_)[index_]; }
        Position& operator++() { return ++index_, *this; }
        Position operator++(int) { return {buffer_, index_++}; }
        Position& operator--() { return --index_, *this; }
        Position operator--(int) { return {buffer_, index_--}; }
        [[nodiscard]] bool operator==(const Position& other) const { return index_ == other.index_; }

        [[nodiscard]] std::size_t index() const { return index_; }

      private:
        Buffer* buffer_ = nullptr;
        std::size_t index_ = 0;
    };
    using iterator = Position<RingBuffer, T>;
    using const_iterator = Position<const RingBuffer, const T>;

    RingBuffer() = default;
    // The other one is empty afterwards.
    RingBuffer(RingBuffer&& other) noexcept { swap(other); }
    RingBuffer& operator=(RingBuffer&& other) noexcept {
        RingBuffer taken(std::move(other));
        swap(taken);
        return *this;
    }
    RingBuffer(const RingBuffer&) = default;
    RingBuffer& operator=(const RingBuffer&) = default;
    ~RingBuffer() = default;

    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] std::size_t size() const { return size_; }

    [[nodiscard]] T& operator[](std::size_t index) { return slots_[place(index)]; }
    [[nodiscard]] const T& operator[](std::size_t index) const { return slots_[place(index)]; }
    [[nodiscard]] T& front() { return slots_[first_]; }
    [[nodiscard]] const T& front() const { return slots_[first_]; }
    [[nodiscard]] T& back() { return (*this)[size_ - 1]; }
    [[nodiscard]] const T& back() const { return (*this)[size_ - 1]; }

    [[nodiscard]] iterator begin() { return {this, 0}; }
    [[nodiscard]] iterator end() { return {this, size_}; }
    [[nodiscard]] const_iterator begin() const { return {this, 0}; }
    [[nodiscard]] const_iterator end() const { return {this, size_}; }

    void push_back(T value) {
        make_room();
        slots_[place(size_++)] = std::move(value);
    }

    void push_front(T value) {
        make_room();
        first_ = place(slots_.size() - 1);
        slots_[first_] = std::move(value);
        ++size_;
    }

    void pop_front() {
        slots_[first_] = T();
        first_ = place(1);
        --size_;
    }

    void pop_back() {
        back() = T();
        --size_;
    }

    // Moves at most half of the elements.
    void erase(std::size_t index) {
        if (index < size_ / 2) {
            for (; index > 0; --index) (*this)[index] = std::move((*this)[index - 1]);
            pop_front();
        } else {
            for (; index + 1 < size_; ++index) (*this)[index] = std::move((*this)[index + 1]);
            pop_back();
        }
    }

    void clear() {
        while (!empty()) pop_front();
    }

    void swap(RingBuffer& other) noexcept {
        slots_.swap(other.slots_);
        std::swap(first_, other.first_);
        std::swap(size_, other.size_);
    }

  private:
    static constexpr std::size_t least_room = 8;  // all sizes are powers of two

    [[nodiscard]] std::size_t place(std::size_t index) const {
        return (first_ + index) & (slots_.size() - 1);
    }

    void make_room() {
        if (size_ < slots_.size()) return;
        std::vector<T> larger(slots_.empty() ? least_room : 2 * slots_.size());
        for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
        slots_ = std::move(larger);
        first_ = 0;
    }

    std::vector<T> slots_;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

}  // namespace proxyd::pool
