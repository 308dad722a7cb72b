// Thousands of random steps. The invariants are checked after each step.
#include <cstdlib>
#include <random>
#include <string>

#include "tests/unit/pool/pool_scene.h"

namespace proxyd::pool {
namespace {

class PoolRandom : public PoolScene, public testing::WithParamInterface<unsigned> {
  protected:
    [[nodiscard]] unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }

    void SetUp() override {
        seed = GetParam();
        random_.seed(seed);
    }

    std::mt19937 random_;
};

TEST_P(PoolRandom, EveryLookupIsAnsweredOnceAndInTime) {
    settings.size = 1 + below(12);
    settings.pipeline_depth = 1 + below(8);
    settings.queue_limit = 20 + below(500);
    settings.idle_interval = std::chrono::milliseconds(500 + below(5000));
    settings.connect_timeout = 700ms;
    settings.connection_lifetime = std::chrono::milliseconds(below(3) == 0 ? 0 : 200 + below(9000));
    settings.reply_limit = std::chrono::milliseconds(1500 + below(2000));
    ranks.clear();
    for (unsigned i = 0, count = 1 + below(3); i < count; ++i) ranks.push_back(static_cast<int>(below(3)));
    db().pipelines = below(4) != 0;
    db().answers_together = below(2) != 0;
    db().worn_after = below(2) == 0 ? 0 : 20 + below(200);
    db().react = [this](auto, const auto& key) {
        const auto luck = below(1000);
        const auto slow = key.front() == 's' ? 60U : 1U;
        Reaction reaction{Reaction::Kind::rows, std::chrono::microseconds(50 + below(2000) * slow)};
        if (luck < 15)
            reaction.kind = Reaction::Kind::query_error;
        else if (luck < 25)
            reaction.kind = Reaction::Kind::breaks;
        else if (luck < 35)
            reaction.kind = Reaction::Kind::resend;
        else if (luck < 38)
            reaction.kind = Reaction::Kind::never;
        else if (luck < 48)
            reaction.kind = Reaction::Kind::conflict;
        else if (luck < 50)
            reaction.kind = Reaction::Kind::not_serving;
        return reaction;
    };
    std::vector<std::shared_ptr<TableQueue>> tables;
    for (int i = 0; i < 4; ++i) tables.push_back(queue("t" + std::to_string(i)));
    struct Open {
        std::shared_ptr<Asked> asked;
        TimePoint due;
    };
    std::vector<Open> all;
    auto largest = settings.size;
    const auto check = [&] {
        ASSERT_LE(database->connections.size(), largest);
        for (const auto& one : all) {
            ASSERT_LE(one.asked->answers, 1);
            if (loop.now() >= one.due + 25ms) {
                ASSERT_EQ(one.asked->answers, 1) << "not answered in time";
            }
            if (one.asked->answers == 1) {
                ASSERT_LE(one.asked->at, one.due + 25ms);
            }
        }
        std::erase_if(all, [this](const auto& one) { return loop.now() > one.due + 5s; });
    };
    for (int step = 0; step < 4000; ++step) {
        const auto what = below(100);
        if (what < 70) {
            const auto table = below(4);
            const auto patience = std::chrono::milliseconds(5 + below(below(5) == 0 ? 4000 : 300));
            const auto statement = below(10) == 0   ? exclusive
                                   : below(12) == 0 ? writing
                                   : below(15) == 0 ? leaving
                                                    : plain;
            const auto key = (table == 0 ? "s" : "k") + std::to_string(below(60));
            all.push_back({ask(tables[table], key, patience, statement), loop.now() + patience});
        } else if (what < 95) {
            loop.advance(std::chrono::microseconds(below(below(10) == 0 ? 200000 : 3000)));
        } else if (what == 95) {
            const auto index = below(static_cast<unsigned>(ranks.size()));
            if (below(2) == 0) {
                db().freeze(index);
            } else {
                db().thaw(index);
            }
            for (auto* one : db().connections) {
                if (below(4) == 0) one->hang();
            }
        } else if (what < 97) {
            const auto index = below(static_cast<unsigned>(ranks.size()));
            const HostMode modes[] = {
                HostMode::up,          HostMode::up,   HostMode::up,     HostMode::refuses,
                HostMode::not_serving, HostMode::full, HostMode::silent, HostMode::wrong_password};
            host(index).mode = modes[below(7)];
            if (below(3) == 0) db().break_connections(index);
            const Reaction resets[] = {
                {}, {Reaction::Kind::rows, 2ms}, {Reaction::Kind::never}, {Reaction::Kind::breaks}};
            db().resets = resets[below(4)];
            if (below(4) == 0) db().resets.reset();
        } else if (what == 97) {
            const auto index = below(4);
            loop.event([&] { tables[index] = pool->make_queue("again"); });
        } else if (what == 98 && below(4) == 0) {
            settings.size = 1 + below(12);
            loop.event([&] { pool->change(settings); });
            // Busy connections stay until they have finished or are given up.
            largest = std::max(largest, settings.size);
        } else if (what == 98 && below(4) == 0) {
            loop.event([&] { pool->renew(); });
        } else if (!db().connections.empty()) {
            auto* one = db().connections[below(static_cast<unsigned>(db().connections.size()))];
            if (one->ready()) loop.event([&] { one->break_now(); });
        }
        check();
        if (HasFatalFailure()) FAIL() << "in step " << step << " of seed " << GetParam();
    }
    db().resets = Reaction{};
    db().react = [](auto, const auto&) { return Reaction{}; };
    for (std::size_t i = 0; i < ranks.size(); ++i) db().thaw(i);
    loop.advance(10s);
    check();
    const auto stats = pool->stats();
    EXPECT_EQ(stats.waiting, 0U);
    EXPECT_EQ(stats.in_flight, 0U);
    EXPECT_LE(database->connections.size(), settings.size);
    for (const auto& table : tables) {
        EXPECT_EQ(table->slow_connections, 0);
        EXPECT_EQ(table->overdue, 0);
        EXPECT_TRUE(table->shareable.empty());
    }
    const auto last = ask(tables.front(), "last");
    loop.advance(100ms);
    EXPECT_FOUND(last, "last");
    if (below(2) == 0) {
        db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::never}; };
        for (int i = 0; i < 50; ++i)
            all.push_back({ask(tables[below(4)], std::to_string(i)), loop.now() + 10s});
        loop.advance(10ms);
        loop.event([&] { pool.reset(); });
        loop.advance(1s);
        for (const auto& one : all) EXPECT_EQ(one.asked->answers, 1);
    }
}

// Reads a number from the environment. PROXYD_TEST_SEED is the first seed, PROXYD_TEST_POOLS the number of
// pools.
unsigned number_from(const char* variable, unsigned otherwise) {
    const char* text = std::getenv(variable);
    return text != nullptr ? static_cast<unsigned>(std::strtoul(text, nullptr, 10)) : otherwise;
}

// With a sanitizer each pool takes long.
#ifdef __SANITIZE_ADDRESS__
constexpr unsigned usual_pools = 8;
#else
constexpr unsigned usual_pools = 40;
#endif

const unsigned first_seed = number_from("PROXYD_TEST_SEED", 1);

INSTANTIATE_TEST_SUITE_P(Seeds, PoolRandom,
                         testing::Range(first_seed,
                                        first_seed + number_from("PROXYD_TEST_POOLS", usual_pools)),
                         [](const auto& one) { return std::to_string(one.param); });

}  // namespace
}  // namespace proxyd::pool
