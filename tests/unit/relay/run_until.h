// Runs a real event loop until something has happened.
#pragma once

#include <functional>
#include <memory>

#include <gtest/gtest.h>

#include "backends/event/event_loop.h"

namespace proxyd {

// Returns when done() is true. The test fails if that takes ten seconds.
inline void run_until(EventLoop& loop, const std::function<bool()>& done) {
    const auto limit = Clock::now() + std::chrono::seconds(10);
    std::unique_ptr<Timer> look;
    look = loop.make_timer([&] {
        if (done() || Clock::now() >= limit) {
            loop.stop();
        } else {
            look->start(std::chrono::milliseconds(1));
        }
    });
    look->start(Duration::zero());
    loop.run();
    ASSERT_TRUE(done());
}

}  // namespace proxyd
