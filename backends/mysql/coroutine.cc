#include "backends/mysql/coroutine.h"

#include <utility>

namespace proxyd::mysql {
namespace {

// The library runs on its own stack in turn; this stack holds little more than the call of the library.
constexpr std::size_t stack_size = 65536;

thread_local Coroutine* starting = nullptr;

}  // namespace

Coroutine::Coroutine() : stack_(stack_size) {}

void Coroutine::run(std::function<void()> call) {
    call_ = std::move(call);
    finished_ = false;
    getcontext(&inside_);
    inside_.uc_stack.ss_sp = stack_.data();
    inside_.uc_stack.ss_size = stack_.size();
    inside_.uc_link = &outside_;
    makecontext(&inside_, &Coroutine::entry, 0);
    enter();
}

void Coroutine::go_on() {
    if (!finished_) enter();
}

void Coroutine::enter() {
    starting = this;
    swapcontext(&outside_, &inside_);
}

void Coroutine::leave() {
    swapcontext(&inside_, &outside_);
}

void Coroutine::entry() {
    Coroutine* const self = starting;
    self->call_();
    self->finished_ = true;
}

}  // namespace proxyd::mysql
