// An allocator for objects that are made and destroyed again and again.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace proxyd {

// Keeps the memory of destroyed objects for the next ones, up to a limit for each type and thread. Meant for
// std::allocate_shared; the objects of one allocation must be one.
template <typename T>
class RecyclingAllocator {
  public:
    using value_type = T;

    RecyclingAllocator() = default;
    template <typename Other>
    // NOLINTNEXTLINE(google-explicit-constructor): allocators convert
    RecyclingAllocator(const RecyclingAllocator<Other>&) {}

    [[nodiscard]] T* allocate(std::size_t count) {
        if (count == 1 && !store().empty()) return store().take();
        return std::allocator<T>().allocate(count);
    }

    void deallocate(T* memory, std::size_t count) noexcept {
        if (count == 1 && !store().full()) {
            store().keep(memory);
        } else {
            std::allocator<T>().deallocate(memory, count);
        }
    }

    template <typename Other>
    [[nodiscard]] bool operator==(const RecyclingAllocator<Other>&) const {
        return true;
    }

  private:
    // The free pieces of memory, each of which holds the address of the next one.
    class Store {
      public:
        Store() = default;
        ~Store() {
            while (!empty()) std::allocator<T>().deallocate(take(), 1);
        }
        Store(const Store&) = delete;
        Store& operator=(const Store&) = delete;

        [[nodiscard]] bool empty() const { return first_ == nullptr; }
        [[nodiscard]] bool full() const { return count_ >= limit; }
        [[nodiscard]] T* take() {
            Piece* const piece = first_;
            first_ = piece->next;
            --count_;
            return reinterpret_cast<T*>(piece);
        }
        void keep(T* memory) {
            first_ = new (static_cast<void*>(memory)) Piece{first_};
            ++count_;
        }

      private:
        struct Piece {
            Piece* next;
        };
        static_assert(sizeof(T) >= sizeof(Piece));
        static_assert(alignof(T) >= alignof(Piece));

// AddressSanitizer sees the use of a destroyed object only when its memory is given back.
#if defined(__SANITIZE_ADDRESS__)
        static constexpr std::size_t limit = 0;
#else
        static constexpr std::size_t limit = 256;
#endif
        Piece* first_ = nullptr;
        std::size_t count_ = 0;
    };

    [[nodiscard]] static Store& store() {
        thread_local Store store;
        return store;
    }
};

// A shared object in recycled memory.
template <typename T, typename... Args>
[[nodiscard]] std::shared_ptr<T> make_recycled(Args&&... args) {
    return std::allocate_shared<T>(RecyclingAllocator<T>(), std::forward<Args>(args)...);
}

}  // namespace proxyd
