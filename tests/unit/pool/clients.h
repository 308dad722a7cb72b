// Clients of a pool. Each asks again when it has its answer.
#pragma once

#include <algorithm>
#include <memory>
#include <string>

#include "backends/pool/pool.h"
#include "tests/unit/event/fake_loop.h"

namespace proxyd::pool {

// Each client asks for one key after the other until stop(), with a pause of `pause` in between.
class Clients {
  public:
    Clients(FakeLoop& loop, Pool& pool, std::shared_ptr<TableQueue> table,
            std::shared_ptr<const Statement> statement, int count, Duration pause,
            Duration patience = std::chrono::seconds(10))
        : loop_(loop),
          pool_(pool),
          table_(std::move(table)),
          statement_(std::move(statement)),
          pause_(pause),
          patience_(patience) {
        for (int i = 0; i < count; ++i) ask_after(pause_ * i / count);
    }
    ~Clients() { stop(); }
    Clients(const Clients&) = delete;
    Clients& operator=(const Clients&) = delete;

    void stop() { alive_.reset(); }

    // Counts since the last reset().
    int answered = 0;
    int failed = 0;
    Duration longest{};
    std::string problem;  // of the last failed lookup

    void reset() {
        answered = failed = 0;
        longest = Duration::zero();
    }

  private:
    void ask_after(Duration pause) {
        loop_.after(pause, alive_, [this] { ask(); });
    }
    void ask() {
        const auto key = std::to_string(++asked_);
        const auto begun = loop_.now();
        pool_.submit(table_, {statement_, sql::make_key(key)}, {begun + patience_},
                     [this, begun, alive = std::weak_ptr<bool>(alive_)](const Outcome& outcome) {
                         if (!alive.lock()) return;
                         longest = std::max<Duration>(longest, loop_.now() - begun);
                         ++(outcome.ok() ? answered : failed);
                         if (!outcome.ok()) problem = outcome.failure.message;
                         ask_after(pause_);
                     });
    }

    FakeLoop& loop_;
    Pool& pool_;
    std::shared_ptr<TableQueue> table_;
    std::shared_ptr<const Statement> statement_;
    Duration pause_;
    Duration patience_;
    int asked_ = 0;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace proxyd::pool
