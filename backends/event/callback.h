// A function that is called back: std::function without its copies and, for small functions, without memory
// from the heap.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace proxyd {

template <typename Signature>
class Callback;

// Holds any function object that takes these arguments, which need not be copyable. One of at most
// `inline_size` bytes is stored in place. Whoever holds a callback owns what the function object owns.
template <typename... Args>
class Callback<void(Args...)> {
  public:
    static constexpr std::size_t inline_size = 4 * sizeof(void*);

    Callback() = default;
    // NOLINTNEXTLINE(google-explicit-constructor): converts as std::function does
    Callback(std::nullptr_t) {}

    template <typename Function, typename Stored = std::decay_t<Function>>
    requires(!std::is_same_v<Stored, Callback> && std::is_invocable_v<Stored&, Args...>)
        // NOLINTNEXTLINE(google-explicit-constructor,bugprone-forwarding-reference-overload)
        Callback(Function&& function) {
        if constexpr (fits<Stored>()) {
            new (&storage_) Stored(std::forward<Function>(function));
            actions_ = &in_place<Stored>;
        } else {
            new (&storage_) Stored*(new Stored(std::forward<Function>(function)));
            actions_ = &on_heap<Stored>;
        }
    }

    Callback(Callback&& other) noexcept { take(other); }
    Callback& operator=(Callback&& other) noexcept {
        if (this != &other) {
            reset();
            take(other);
        }
        return *this;
    }
    Callback(const Callback&) = delete;
    Callback& operator=(const Callback&) = delete;
    ~Callback() { reset(); }

    // There must be a function.
    void operator()(Args... args) const { actions_->call(&storage_, std::forward<Args>(args)...); }

    [[nodiscard]] explicit operator bool() const { return actions_ != nullptr; }

  private:
    struct Actions {
        void (*call)(void* storage, Args&&... args);
        void (*move)(void* from, void* to) noexcept;
        void (*destroy)(void* storage) noexcept;
    };

    template <typename Stored>
    [[nodiscard]] static consteval bool fits() {
        if (!std::is_nothrow_move_constructible_v<Stored> || alignof(Stored) > alignof(void*)) return false;
        return sizeof(Stored) <= inline_size;
    }

    template <typename Stored>
    static constexpr Actions in_place{
        [](void* storage, Args&&... args) { (*static_cast<Stored*>(storage))(std::forward<Args>(args)...); },
        [](void* from, void* to) noexcept {
            auto* const stored = static_cast<Stored*>(from);
            new (to) Stored(std::move(*stored));
            std::destroy_at(stored);
        },
        [](void* storage) noexcept { std::destroy_at(static_cast<Stored*>(storage)); }};

    template <typename Stored>
    static constexpr Actions on_heap{
        [](void* storage, Args&&... args) {
            (**static_cast<Stored**>(storage))(std::forward<Args>(args)...);
        },
        [](void* from, void* to) noexcept { new (to) Stored*(*static_cast<Stored**>(from)); },
        [](void* storage) noexcept { delete *static_cast<Stored**>(storage); }};

    void take(Callback& other) noexcept {
        if (other.actions_ == nullptr) return;
        other.actions_->move(&other.storage_, &storage_);
        actions_ = std::exchange(other.actions_, nullptr);
    }
    void reset() noexcept {
        if (actions_ != nullptr) std::exchange(actions_, nullptr)->destroy(&storage_);
    }

    alignas(void*) mutable std::byte storage_[inline_size];
    const Actions* actions_ = nullptr;
};

}  // namespace proxyd
