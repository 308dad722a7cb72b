// A call that runs on a stack of its own: it can be left in the middle and continued later. For the one
// operation that the client library does not do without waiting, the TLS handshake, whose waits come to a
// hook.
#pragma once

#include <functional>
#include <vector>

#include <ucontext.h>

namespace proxyd::mysql {

class Coroutine {
  public:
    Coroutine();
    Coroutine(const Coroutine&) = delete;
    Coroutine& operator=(const Coroutine&) = delete;

    // Both return when the call has returned or has left; finished() tells which. A call that has left must
    // be brought to its end before the stack is destroyed.
    void run(std::function<void()> call);
    void go_on();
    [[nodiscard]] bool finished() const { return finished_; }

    // Called inside the call: leaves it. Returns in go_on().
    void leave();

  private:
    static void entry();
    void enter();

    std::vector<char> stack_;
    ucontext_t inside_{};
    ucontext_t outside_{};
    std::function<void()> call_;
    bool finished_ = true;
};

}  // namespace proxyd::mysql
