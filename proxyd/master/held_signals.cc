#include "proxyd/master/held_signals.h"

#include <initializer_list>

namespace proxyd::master {

HeldSignals::HeldSignals() {
    sigset_t held;
    sigemptyset(&held);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&held, number);
    sigprocmask(SIG_BLOCK, &held, &before_);
}

void HeldSignals::release() const {
    sigprocmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace proxyd::master
