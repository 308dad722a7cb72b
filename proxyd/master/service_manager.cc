#include "proxyd/master/service_manager.h"

#include <cstdint>
#include <ctime>

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

namespace proxyd::master {
namespace {

// A manager that does not receive the message must not stop the lookups.
void tell(const std::string& state) {
    (void)sd_notify(0, state.c_str());
}

std::int64_t monotonic_microseconds() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000;
}

}  // namespace

ServiceManager::ServiceManager(Loop& loop) {
    std::uint64_t microseconds = 0;
    if (sd_watchdog_enabled(0, &microseconds) <= 0) return;
    keepalive_interval_ = std::chrono::microseconds(microseconds / 2);
    keepalive_ = loop.make_timer([this] {
        tell("WATCHDOG=1");
        keepalive_->start(keepalive_interval_);
    });
    keepalive_->start(keepalive_interval_);
}

void ServiceManager::ready(const std::string& status) {
    tell(fmt::format("READY=1\nSTATUS={}", status));
}

void ServiceManager::reloading() {
    tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", monotonic_microseconds()));
}

void ServiceManager::stopping() {
    tell("STOPPING=1\nSTATUS=answering what has begun");
}

}  // namespace proxyd::master
