#include "backends/mysql/side_stack.h"

#include <utility>

namespace proxyd::mysql {
namespace {

// The library runs on its own stack in turn; this one holds little more than the call of it.
constexpr std::size_t stack_size = 65536;

thread_local SideStack* starting = nullptr;

}  // namespace

SideStack::SideStack() : stack_(stack_size) {}

void SideStack::run(std::function<void()> call) {
    call_ = std::move(call);
    finished_ = false;
    getcontext(&inside_);
    inside_.uc_stack.ss_sp = stack_.data();
    inside_.uc_stack.ss_size = stack_.size();
    inside_.uc_link = &outside_;
    makecontext(&inside_, &SideStack::entry, 0);
    enter();
}

void SideStack::go_on() {
    if (!finished_) enter();
}

void SideStack::enter() {
    starting = this;
    swapcontext(&outside_, &inside_);
}

void SideStack::leave() {
    swapcontext(&inside_, &outside_);
}

void SideStack::entry() {
    SideStack* const self = starting;
    self->call_();
    self->finished_ = true;
}

}  // namespace proxyd::mysql
