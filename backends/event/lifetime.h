// Whether an object still lives when work that it has deferred is due.
#pragma once

#include <memory>

namespace proxyd {

// A member of the object. Of one loop's thread alone.
class Lifetime {
  public:
    // Held by the deferred work; true as long as the object lives.
    class Watch {
      public:
        explicit Watch(const std::shared_ptr<char>& token) : token_(token) {}
        [[nodiscard]] explicit operator bool() const { return !token_.expired(); }

      private:
        std::weak_ptr<char> token_;
    };

    Lifetime() = default;
    Lifetime(const Lifetime&) = delete;
    Lifetime& operator=(const Lifetime&) = delete;

    [[nodiscard]] Watch watch() const { return Watch(token_); }

    // For the object's destructor, before it does anything that deferred work must not meet.
    void end() { token_.reset(); }

  private:
    std::shared_ptr<char> token_ = std::make_shared<char>();
};

}  // namespace proxyd
