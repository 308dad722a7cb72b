// Lookups without a pause, while something happens to the database.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/database/table_scene.h"

namespace proxyd {

template <typename Scene>
class WithStream : public Scene {
  protected:
    // One after the other by several clients, all for alice@example.com.
    template <typename Event>
    void stream_while(const std::string& name, Event&& event, Duration before, Duration after) {
        std::vector<std::shared_ptr<Lookup>> now(8);
        bool stopping = false;
        const auto pump = [&] {
            for (auto& one : now) {
                if (one && one->answers == 0) continue;
                if (one) {
                    ++answered;
                    if (one->status != Status::ok) ++failed;
                    slowest = std::max(slowest, one->took);
                }
                one = stopping ? nullptr : this->start(name, "alice@example.com");
            }
            return stopping && std::all_of(now.begin(), now.end(), [](const auto& one) { return !one; });
        };
        (void)this->run_until(pump, before);
        event();
        (void)this->run_until(pump, after);
        stopping = true;
        EXPECT_TRUE(this->run_until(pump)) << "some have no answer";
    }

    int answered = 0;
    int failed = 0;
    Duration slowest{};
};

}  // namespace proxyd
