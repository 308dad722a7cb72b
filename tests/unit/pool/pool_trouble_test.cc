// One host in trouble: its connections break, it is full, it refuses the account, it is down.
#include <map>
#include <set>

#include "backends/report/trouble_log.h"
#include "tests/unit/pool/pool_scene.h"

namespace proxyd::pool {
namespace {

using PoolTrouble = PoolScene;

// Records the subjects that are reported as failing.
class SubjectsLog final : public TroubleLog {
  public:
    SubjectsLog() : before_(trouble_log()) { set_trouble_log(*this); }
    ~SubjectsLog() override { set_trouble_log(before_); }
    SubjectsLog(const SubjectsLog&) = delete;
    SubjectsLog& operator=(const SubjectsLog&) = delete;

    void failed(std::string_view subject, std::string_view, Trouble, std::string_view) override {
        failing.emplace(subject);
    }
    void works_again(std::string_view subject, std::string_view) override {
        failing.erase(std::string(subject));
    }
    std::set<std::string> failing;

  private:
    TroubleLog& before_;
};

TEST_F(PoolTrouble, WhatWasLostIsAskedAgainInOrder) {
    settings.size = 1;
    const auto table = queue("t");
    warm_up(table, 1);
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::never}; };
    std::vector<std::shared_ptr<Asked>> all;
    std::vector<std::string> keys;
    for (int i = 0; i < 10; ++i) {
        keys.push_back("k" + std::to_string(i));
        all.push_back(ask(table, keys.back()));
    }
    EXPECT_EQ(database->sent_keys(), keys);
    db().sent.clear();
    db().react = [](auto, const auto&) { return Reaction{}; };
    db().break_connections(0);
    loop.advance(1s);
    for (int i = 0; i < 10; ++i) {
        EXPECT_FOUND(all[i], keys[i]);
    }
    EXPECT_EQ(database->sent_keys(), keys);
}

// The accounts use the same host, which refuses one of them.
TEST_F(PoolTrouble, OfAccountsThatAskTheSameDatabaseEachHasItsOwn) {
    SubjectsLog log;
    db().account = "refused";
    host(0).mode = HostMode::refuses;
    (void)ask(queue("t"), "k", 100ms);
    loop.advance(1s);
    EXPECT_EQ(log.failing.size(), 1U);
    start_anew();
    db().account = "welcome";
    const auto table = queue("t");
    warm_up(table, 1);
    db().break_connections(0);
    loop.advance(1s);
    const auto asked = ask(table, "k");
    loop.advance(1s);
    EXPECT_FOUND(asked, "k");
    EXPECT_EQ(log.failing, std::set<std::string>{"test refused host0"});
}

TEST_F(PoolTrouble, WritingQueriesAreNotAskedAgain) {
    const auto table = queue("t");
    warm_up(table, 1);
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::never}; };
    const auto asked = ask(table, "update", 10s, writing);
    db().break_connections(0);
    loop.advance(0s);
    EXPECT_FAILED(asked, FailureClass::lost);
    loop.advance(5s);
    EXPECT_EQ(asked->answers, 1);
    EXPECT_EQ(database->sent.size(), 1U);
}

TEST_F(PoolTrouble, AnAnswerThatIsTooLargeIsFinalAndOthersOnItsConnectionAreAskedAgain) {
    ranks = {1, 1};
    settings.size = 1;
    const auto table = queue("t");
    warm_up(table, 1);
    db().react = [](auto, const auto& key) {
        return Reaction{key == "vast" ? Reaction::Kind::too_large : Reaction::Kind::rows};
    };
    const auto attempts = host(0).attempts + host(1).attempts;
    // If the pool blamed these lookups for a lost connection, it would give them up sooner.
    for (int i = 0; i < 10; ++i) {
        const auto vast = ask(table, "vast");
        const auto behind = ask(table, "behind");
        loop.advance(1s);
        EXPECT_FAILED(vast, FailureClass::too_large);
        EXPECT_FOUND(behind, "behind");
    }
    const auto keys = database->sent_keys();
    EXPECT_EQ(std::count(keys.begin(), keys.end(), "vast"), 10);
    EXPECT_EQ(host(0).attempts + host(1).attempts, attempts + 10);
    for (const auto& one : pool->hosts()) EXPECT_FALSE(one.last_failure());
}

TEST_F(PoolTrouble, WhatIsBehindAnswersThatAreTooLargeIsNotBlamed) {
    settings.size = 1;
    const auto table = queue("t");
    warm_up(table, 1);
    int vast = 0;
    db().react = [&vast](auto, const auto& key) {
        if (key == "vast") ++vast;
        return Reaction{key == "vast" ? Reaction::Kind::too_large : Reaction::Kind::rows};
    };
    std::vector<std::shared_ptr<Asked>> all;
    for (int i = 0; i < 12; ++i) all.push_back(ask(table, "vast", 10s, writing));
    const auto last = ask(table, "last");
    loop.advance(5s);
    EXPECT_FOUND(last, "last");
}

TEST_F(PoolTrouble, WhatBreaksEveryConnectionIsGivenUp) {
    const auto table = queue("t");
    warm_up(table, 2);
    db().react = [](auto, const auto& key) {
        return Reaction{key == "killer" ? Reaction::Kind::breaks : Reaction::Kind::rows, 100us};
    };
    const auto killer = ask(table, "killer");
    std::vector<std::shared_ptr<Asked>> others;
    for (int i = 0; i < 30; ++i) {
        others.push_back(ask(table, std::to_string(i)));
        loop.advance(1ms);
    }
    loop.advance(1s);
    EXPECT_FAILED(killer, FailureClass::lost);
    for (int i = 0; i < 30; ++i) {
        EXPECT_FOUND(others[i], std::to_string(i));
    }
}

// The pool would have sent a reading query to another connection long before.
TEST_F(PoolTrouble, AConnectionThatIsSilentForTooLongIsGivenUp) {
    settings.reply_limit = 2s;
    const auto table = queue("t");
    warm_up(table, 1);
    bool first = true;
    db().react = [&first](auto, const auto&) {
        return Reaction{std::exchange(first, false) ? Reaction::Kind::never : Reaction::Kind::rows};
    };
    const auto asked = ask(table, "a", 10s, writing);
    loop.advance(1900ms);
    EXPECT_EQ(asked->answers, 0);
    loop.advance(200ms);
    EXPECT_FAILED(asked, FailureClass::lost);
    EXPECT_TRUE(db().connections.empty());
}

TEST_F(PoolTrouble, GoesOnWithTheConnectionsThatAServerGrants) {
    settings.size = 8;
    const auto table = queue("t");
    warm_up(table, 2);
    host(0).mode = HostMode::full;
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::rows, 5ms}; };
    std::vector<std::shared_ptr<Asked>> all;
    for (int i = 0; i < 200; ++i) all.push_back(ask(table, std::to_string(i)));
    loop.advance(5s);
    for (int i = 0; i < 200; ++i) {
        EXPECT_FOUND(all[i], std::to_string(i));
    }
    EXPECT_LT(host(0).attempts, 100U);
}

TEST_F(PoolTrouble, WaitsForAFullServer) {
    host(0).mode = HostMode::full;
    const auto asked = ask(queue("t"), "a");
    loop.advance(3s);
    EXPECT_EQ(asked->answers, 0);
    host(0).mode = HostMode::up;
    loop.advance(600ms);
    EXPECT_FOUND(asked, "a");
}

TEST_F(PoolTrouble, AWrongPasswordIsAnsweredAtOnceAndHealsByItself) {
    host(0).mode = HostMode::wrong_password;
    const auto table = queue("t");
    const auto first = ask(table, "a");
    loop.advance(10ms);
    EXPECT_FAILED(first, FailureClass::configuration);
    const auto second = ask(table, "b");
    EXPECT_FAILED(second, FailureClass::configuration);
    for (int i = 0; i < 1000; ++i) {
        (void)ask(table, std::to_string(i));
        loop.advance(10ms);
    }
    EXPECT_LT(host(0).attempts, 10U) << "accounts get locked by too many tries";
    host(0).mode = HostMode::up;
    loop.advance(5s);
    const auto third = ask(table, "c");
    loop.advance(10ms);
    EXPECT_FOUND(third, "c");
}

TEST_F(PoolTrouble, AHostThatReturnsIsUsedWithinASecond) {
    host(0).mode = HostMode::refuses;
    const auto table = queue("t");
    const auto asked = ask(table, "a", 60s);
    loop.advance(30s);
    EXPECT_EQ(asked->answers, 0);
    host(0).mode = HostMode::up;
    loop.advance(600ms);
    EXPECT_FOUND(asked, "a");
}

TEST_F(PoolTrouble, AHostThatIsDownIsNotKnockedAtAllTheTime) {
    host(0).mode = HostMode::refuses;
    const auto table = queue("t");
    for (int i = 0; i < 10000; ++i) {
        (void)ask(table, std::to_string(i));
        loop.advance(1ms);
    }
    EXPECT_LT(host(0).attempts, 60U);
}

// Once, the next attempt came so late after a refusal of two thirds of a second that it fell into the next
// trouble and was swallowed, again and again.
TEST_F(PoolTrouble, TheCalmBetweenTwoTroublesIsUsed) {
    const auto table = queue("t");
    warm_up(table, 2);
    for (int round = 0; round < 20; ++round) {
        host(0).mode = HostMode::refuses;
        db().break_connections(0);
        const auto asked = ask(table, std::to_string(round));
        loop.advance(650ms + 5ms * round);
        host(0).mode = HostMode::up;
        loop.advance(230ms);
        EXPECT_FOUND(asked, std::to_string(round)) << round;
    }
    for (int round = 0; round < 20; ++round) {
        host(0).mode = HostMode::refuses;
        db().break_connections(0);
        const auto asked = ask(table, "again" + std::to_string(round));
        loop.advance(1500ms + 10ms * round);
        host(0).mode = HostMode::silent;
        loop.advance(800ms);
        ASSERT_EQ(db().connections.size(), 1U) << "no attempt is under way";
        auto* attempt = db().connections.front();
        host(0).mode = HostMode::up;
        loop.event([attempt] { attempt->break_now(FailureClass::unreachable); });
        loop.advance(130ms);
        EXPECT_FOUND(asked, "again" + std::to_string(round)) << round;
    }
}

TEST_F(PoolTrouble, ABrokenIdleConnectionIsNotNoticedByAnyLookup) {
    const auto table = queue("t");
    warm_up(table, 2);
    db().break_connections(0);
    const auto asked = ask(table, "a");
    loop.advance(10ms);
    EXPECT_FOUND(asked, "a");
}

TEST_F(PoolTrouble, AStatementThatMustBeSentInAnotherWayIsSentAgain) {
    const auto table = queue("t");
    std::map<std::string, int> tries;
    db().react = [&](auto, const auto& key) {
        return Reaction{++tries[key] <= 2 ? Reaction::Kind::resend : Reaction::Kind::rows};
    };
    const auto asked = ask(table, "a");
    loop.advance(100ms);
    EXPECT_FOUND(asked, "a");
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::resend}; };
    const auto endless = ask(table, "b");
    loop.advance(100ms);
    EXPECT_EQ(endless->answers, 1);
    EXPECT_FALSE(endless->ok);
}

// Each of many connections has prepared a statement before a column is changed.
TEST_F(PoolTrouble, EachConnectionMayHaveAStatementSentAgain) {
    settings.size = 12;
    const auto table = queue("t");
    warm_up(table, 12);
    unsigned left = 12;
    db().react = [&left](auto, const auto&) {
        return Reaction{left > 0 && left-- > 0 ? Reaction::Kind::resend : Reaction::Kind::rows};
    };
    const auto asked = ask(table, "a");
    loop.advance(100ms);
    EXPECT_FOUND(asked, "a");
}

TEST_F(PoolTrouble, AtTheDeadlineTheReasonIsTold) {
    settings.size = 1;
    const auto table = queue("t");
    warm_up(table, 1);
    db().pipelines = false;
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::never}; };
    const auto sent = ask(table, "sent", 3s);
    const auto waits = ask(table, "waits", 2s);
    loop.advance(1s);
    const auto joined = ask(table, "waits", 500ms);
    loop.advance(3s);
    EXPECT_EQ(sent->failure.message, "no answer within 3.0 s: host host0 has not answered");
    const std::string silent = ": no connection was free, as host host0 does not answer";
    EXPECT_EQ(waits->failure.message, "no answer within 2.0 s" + silent);
    EXPECT_EQ(joined->failure.message, "no answer within 0.5 s" + silent);

    host(0).mode = HostMode::refuses;
    db().break_connections(0);
    const auto lost = ask(table, "lost", 10s);
    loop.advance(11s);
    EXPECT_EQ(lost->failure.message, "no answer within 10.0 s; last attempt, at host host0: broken");
}

TEST_F(PoolTrouble, WhatGaveWayIsAskedAgainUnlessItWrites) {
    const auto table = queue("t");
    std::map<std::string, int> tries;
    db().react = [&](auto, const auto& key) {
        return Reaction{++tries[key] <= 3 ? Reaction::Kind::conflict : Reaction::Kind::rows};
    };
    const auto asked = ask(table, "a");
    const auto update = ask(table, "update", 10s, writing);
    loop.advance(100ms);
    EXPECT_FOUND(asked, "a");
    EXPECT_FAILED(update, FailureClass::conflict);
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::conflict}; };
    const auto endless = ask(table, "b");
    loop.advance(100ms);
    EXPECT_FAILED(endless, FailureClass::conflict);
    EXPECT_EQ(make().hosts().front().health(), HostHealth::up);
}

// Once, a lookup moved from one connection of a stopping server to the next. Each connection broke while that
// lookup was under way on it.
TEST_F(PoolTrouble, TheEndOfAServerWithManyConnectionsIsNotTakenForTheWorkOfALookup) {
    settings.size = 12;
    const auto table = queue("t");
    warm_up(table, 12);
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::never}; };
    const auto asked = ask(table, "a");
    host(0).mode = HostMode::refuses;
    for (int i = 0; i < 12; ++i) {
        const auto all = db().connections;
        for (auto* one : all) {
            if (one->under_way() > 0) loop.event([one] { one->break_now(); });
        }
        loop.advance(0s);
    }
    EXPECT_EQ(make().stats().ready, 0U);
    host(0).mode = HostMode::up;
    db().react = [](auto, const auto&) { return Reaction{}; };
    loop.advance(1s);
    EXPECT_FOUND(asked, "a");
}

TEST_F(PoolTrouble, AnErrorOfTheQueryHarmsNothingElse) {
    const auto table = queue("t");
    warm_up(table, 1);
    db().react = [](auto, const auto& key) {
        return Reaction{key == "bad" ? Reaction::Kind::query_error : Reaction::Kind::rows};
    };
    const auto bad = ask(table, "bad");
    const auto good = ask(table, "good");
    loop.advance(5ms);
    EXPECT_FAILED(bad, FailureClass::query);
    EXPECT_FOUND(good, "good");
    EXPECT_EQ(host(0).attempts, 1U);
}

}  // namespace
}  // namespace proxyd::pool
