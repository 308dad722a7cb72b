// Several hosts: preference, failover and failback, errors that another host may not have.
#include <algorithm>
#include <set>

#include "tests/unit/pool/pool_scene.h"

namespace proxyd::pool {
namespace {

class PoolHosts : public PoolScene {
  protected:
    void SetUp() override { settings.size = 6; }

    // Asks at a steady rate; returns the lookups.
    std::vector<std::shared_ptr<Asked>> stream(const std::shared_ptr<TableQueue>& table, int count,
                                               Duration pause = 1ms) {
        std::vector<std::shared_ptr<Asked>> all;
        for (int i = 0; i < count; ++i) {
            all.push_back(ask(table, "s" + std::to_string(asked_++)));
            loop.advance(pause);
        }
        return all;
    }
    void expect_all_found(const std::vector<std::shared_ptr<Asked>>& all) {
        for (const auto& one : all) {
            EXPECT_EQ(one->answers, 1);
            EXPECT_TRUE(one->ok) << one->failure.message;
        }
    }

  private:
    int asked_ = 0;
};

TEST_F(PoolHosts, LowerRanksComeFirst) {
    for (int round = 0; round < 10; ++round) {
        ranks = {2, 1, 0};
        (void)stream(queue("t"), 20);
        EXPECT_EQ(database->sent.front().host, 2U);
        pool.reset();
        loop.advance(0s);
        database.reset();
    }
}

TEST_F(PoolHosts, EqualHostsAreChosenByChance) {
    std::set<std::size_t> first;
    for (int round = 0; round < 60; ++round) {
        ranks = {1, 1, 1};
        ++seed;
        (void)stream(queue("t"), 1);
        loop.advance(10ms);
        first.insert(database->sent.front().host);
        pool.reset();
        loop.advance(0s);
        database.reset();
    }
    EXPECT_EQ(first.size(), 3U);
}

TEST_F(PoolHosts, TheLoadIsSpreadOverEqualHosts) {
    ranks = {1, 1, 1};
    const auto table = queue("t");
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::rows, 3ms}; };
    const auto all = stream(table, 5000);
    loop.advance(200ms);
    expect_all_found(all);
    std::vector<int> count(3);
    for (const auto& query : db().sent) ++count[query.host];
    for (const int one : count) EXPECT_GT(one, 800);
    EXPECT_LE(database->most_connections, 6U);
}

TEST_F(PoolHosts, ADeadHostCostsNoLookup) {
    ranks = {1, 1};
    host(0).mode = HostMode::refuses;
    const auto all = stream(queue("t"), 3000);
    loop.advance(10ms);
    expect_all_found(all);
}

TEST_F(PoolHosts, AnUnreachableHostDelaysOnlyTheFirstLookups) {
    ranks = {0, 1};
    host(0).mode = HostMode::silent;
    const auto table = queue("t");
    const auto first = ask(table, "first");
    loop.advance(400ms);
    EXPECT_FOUND(first, "first");
    for (int i = 0; i < 2000; ++i) {
        const auto start = loop.now();
        const auto asked = ask(table, std::to_string(i));
        loop.advance(20ms);
        ASSERT_TRUE(asked->ok) << i;
        ASSERT_LE(asked->at - start, 15ms) << i;
    }
}

class PoolSizes : public PoolHosts, public testing::WithParamInterface<std::size_t> {};

TEST_P(PoolSizes, AnUnreachableSecondHostDelaysNobody) {
    settings.size = GetParam();
    ranks = {1, 1};
    const auto table = queue("t");
    host(1).mode = HostMode::silent;
    (void)stream(table, 6000);  // the pool learns that the host is silent
    loop.advance(4s);
    for (int i = 0; i < 1000; ++i) {
        const auto start = loop.now();
        const auto asked = ask(table, std::to_string(i));
        loop.advance(20ms);
        ASSERT_TRUE(asked->ok) << i;
        ASSERT_LE(asked->at - start, 10ms) << i;
    }
    EXPECT_LE(database->most_connections, settings.size);
}

TEST_P(PoolSizes, AHostThatDiesCostsNoLookup) {
    settings.size = GetParam();
    ranks = {1, 1};
    const auto table = queue("t");
    expect_all_found(stream(table, 2000));
    host(0).mode = HostMode::refuses;
    db().break_connections(0);
    auto all = stream(table, 3000);
    loop.advance(100ms);
    expect_all_found(all);
    host(0).mode = HostMode::up;
    all = stream(table, 3000);
    loop.advance(100ms);
    expect_all_found(all);
    if (settings.size > 1) {
        EXPECT_GT(database->connections_to(0), 0U) << "it is used again";
    }
    EXPECT_LE(database->most_connections, settings.size);
}

// A Galera node that has lost the others accepts connections, but no queries.
TEST_P(PoolSizes, AHostThatTakesNoQueriesCostsNoLookup) {
    settings.size = GetParam();
    ranks = {1, 1};
    const auto table = queue("t");
    expect_all_found(stream(table, 2000));
    host(0).mode = HostMode::not_serving;
    db().react = [](auto where, const auto&) {
        return Reaction{where == 0 ? Reaction::Kind::not_serving : Reaction::Kind::rows};
    };
    db().sent.clear();
    const auto attempts = host(0).attempts;
    auto all = stream(table, 3000);
    loop.advance(100ms);
    expect_all_found(all);
    EXPECT_LE(host(0).attempts, attempts + 20) << "it is tried all the time";
    EXPECT_LE(std::count_if(db().sent.begin(), db().sent.end(), [](const auto& q) { return q.host == 0; }), 1)
        << "one query is enough to know";
    host(0).mode = HostMode::up;
    db().react = [](auto, const auto&) { return Reaction{}; };
    all = stream(table, 3000);
    loop.advance(100ms);
    expect_all_found(all);
    if (settings.size > 1) {
        EXPECT_GT(database->connections_to(0), 0U) << "it is used again";
    }
}

TEST_P(PoolSizes, AllHostsRestartAndNothingIsLost) {
    settings.size = GetParam();
    ranks = {1, 1};
    const auto table = queue("t");
    (void)stream(table, 1000);
    for (auto& one : db().hosts) one.mode = HostMode::refuses;
    db().break_connections(0);
    db().break_connections(1);
    auto all = stream(table, 3000);
    for (auto& one : db().hosts) one.mode = HostMode::up;
    loop.advance(700ms);
    expect_all_found(all);
    EXPECT_LE(database->most_connections, settings.size);
}

TEST_P(PoolSizes, AnErrorOfTheQueryIsAskedOfEachHostOnceAndHoldsUpNobody) {
    settings.size = GetParam();
    ranks = {0, 1, 1};
    db().react = [](auto, const auto& key) {
        return Reaction{key.starts_with("bad") ? Reaction::Kind::query_error : Reaction::Kind::rows};
    };
    const auto table = queue("t");
    (void)stream(table, 500);
    for (int i = 0; i < 20; ++i) {
        db().sent.clear();
        const auto start = loop.now();
        const auto bad = ask(table, "bad" + std::to_string(i));
        for (int j = 0; j < 100; ++j) {
            const auto good = ask(table, "good" + std::to_string(i * 100 + j));
            const auto asked_at = loop.now();
            loop.advance(10ms);
            ASSERT_TRUE(good->ok);
            ASSERT_LE(good->at - asked_at, 10ms) << "size " << settings.size;
        }
        loop.advance(4s);
        EXPECT_FAILED(bad, FailureClass::query);
        EXPECT_LE(bad->at - start, 3s);
        std::vector<int> tries(3);
        for (const auto& query : db().sent) {
            if (query.key.starts_with("bad")) ++tries[query.host];
        }
        for (const int one : tries) EXPECT_LE(one, 1);
        EXPECT_EQ(tries[0] + tries[1] + tries[2], 3);
    }
    EXPECT_LE(database->most_connections, settings.size);
}

TEST_P(PoolSizes, AnErrorThatOnlyOneHostHasIsMended) {
    settings.size = GetParam();
    ranks = {0, 1};
    db().react = [](auto where, const auto& key) {
        return Reaction{where == 0 && key.starts_with("odd") ? Reaction::Kind::query_error
                                                             : Reaction::Kind::rows};
    };
    const auto table = queue("t");
    (void)stream(table, 500);
    const auto odd = ask(table, "odd");
    (void)stream(table, 3000);
    EXPECT_FOUND(odd, "odd");
}

INSTANTIATE_TEST_SUITE_P(OfThePool, PoolSizes, testing::Values(1U, 2U, 3U, 8U));

TEST_F(PoolHosts, ThePreferredHostIsUsedAgainWhenItReturns) {
    ranks = {0, 1};
    host(0).mode = HostMode::refuses;
    const auto table = queue("t");
    expect_all_found(stream(table, 1000));
    host(0).mode = HostMode::up;
    expect_all_found(stream(table, 6000));
    db().sent.clear();
    (void)stream(table, 1000);
    for (const auto& query : db().sent) ASSERT_EQ(query.host, 0U);
    EXPECT_EQ(db().connections_to(1), 0U);
}

// Most connections of a full pool are still being opened to one host. None of them may be closed in favour of
// another host.
TEST_F(PoolHosts, AFullPoolWhoseConnectionsAreStillBeingOpenedIsNotRebalanced) {
    ranks = {1, 1};
    settings.size = 4;
    db().pipelines = false;
    const auto table = queue("t");
    expect_all_found(stream(table, 100));
    // The pool closes connections that cannot be reset. Both hosts stay up, and no connection is left.
    db().resets.reset();
    for (int i = 0; i < 8; ++i) (void)ask(table, "w" + std::to_string(i), 10s, leaving);
    loop.advance(2s);
    ASSERT_EQ(db().connections.size(), 0U);

    host(1).mode = HostMode::full;
    db().react = [](auto, const auto& key) {
        return Reaction{key == "stuck" ? Reaction::Kind::never : Reaction::Kind::rows};
    };
    const auto stuck = ask(table, "stuck", 10s, writing);
    loop.advance(1s);
    ASSERT_EQ(db().connections_to(0), 1U);
    host(0).mode = HostMode::full;
    host(1).mode = HostMode::silent;
    std::vector<std::shared_ptr<Asked>> all;
    for (int i = 0; i < 3; ++i) all.push_back(ask(table, "k" + std::to_string(i)));
    loop.advance(200ms);
    ASSERT_GE(db().connections_to(1), 1U);
    loop.advance(1s);
    host(0).mode = HostMode::up;
    host(1).mode = HostMode::up;
    loop.advance(4s);
    expect_all_found(all);
}

// Three URIs with target_session_attrs=read-write and one primary once caused a login to each standby every
// second or two.
TEST_F(PoolHosts, StandbysAreTriedSeldomWhileThePrimaryServes) {
    ranks = {1, 1, 1};
    host(1).mode = HostMode::read_only;
    host(2).mode = HostMode::read_only;
    const auto table = queue("t");
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::rows, 3ms}; };
    expect_all_found(stream(table, 2000, 5ms));
    EXPECT_EQ(make().hosts()[1].health(), HostHealth::unwanted);
    const auto attempts = host(1).attempts;
    expect_all_found(stream(table, 12000, 5ms));
    EXPECT_LE(host(1).attempts, attempts + 3) << "in a minute";
    EXPECT_GE(host(1).attempts, attempts + 1);

    // The primary fails, and a standby becomes the primary.
    host(0).mode = HostMode::refuses;
    db().break_connections(0);
    const auto asked = ask(table, "a");
    loop.advance(1500ms);
    EXPECT_EQ(asked->answers, 0);
    host(2).mode = HostMode::up;
    loop.advance(500ms);
    EXPECT_FOUND(asked, "a");
}

TEST_F(PoolHosts, AHostThatHasGivenNoConnectionGetsOneAttemptAtATimeAndAPause) {
    settings.connect_timeout = 2s;
    host(0).mode = HostMode::silent;
    const auto table = queue("t");
    TimePoint gone{};
    for (int i = 0; i < 1000; ++i) {
        const auto before = db().connections.size();
        (void)ask(table, std::to_string(i), 30s);
        loop.advance(10ms);
        if (before > 0 && db().connections.empty()) gone = loop.now();
    }
    EXPECT_EQ(database->most_connections, 1U);
    EXPECT_NE(gone, TimePoint{}) << "there is a moment in which nobody knocks";
}

// A load balancer has accepted the connection and waits for a primary that is gone.
TEST_F(PoolHosts, ANewPrimaryBehindABalancerIsFoundWithinASecondOrSo) {
    const auto table = queue("t");
    expect_all_found(stream(table, 500));
    for (const auto wait : {0ms, 300ms, 700ms, 1500ms}) {
        db().break_connections(0);
        host(0).mode = HostMode::silent;
        const auto asked = ask(table, "a" + std::to_string(wait.count()));
        loop.advance(wait);
        host(0).mode = HostMode::up;  // only for new attempts
        loop.advance(1200ms);
        EXPECT_TRUE(asked->ok) << wait.count() << " " << asked->failure.message;
        loop.advance(2s);
    }
}

TEST_F(PoolHosts, AMisconfiguredHostBesideAGoodOneHarmsNothing) {
    ranks = {0, 1};
    host(0).mode = HostMode::wrong_password;
    const auto all = stream(queue("t"), 6000);
    loop.advance(10ms);
    expect_all_found(all);
    EXPECT_LT(host(0).attempts, 10U);
}

TEST_F(PoolHosts, OnlyWhenAllHostsRefuseUsTheAnswerIsQuick) {
    ranks = {1, 1};
    host(0).mode = HostMode::wrong_password;
    host(1).mode = HostMode::wrong_password;
    const auto table = queue("t");
    const auto asked = ask(table, "a");
    loop.advance(1s);
    EXPECT_FAILED(asked, FailureClass::configuration);
    host(1).mode = HostMode::refuses;
    loop.advance(10s);
    const auto patient = ask(table, "b");
    loop.advance(3s);
    EXPECT_EQ(patient->answers, 0) << "a host that is down may return";
    host(1).mode = HostMode::up;
    loop.advance(1s);
    EXPECT_FOUND(patient, "b");
}

TEST_F(PoolHosts, AnIdlePoolDoesNotKnockAtDeadHosts) {
    ranks = {1, 1};
    host(1).mode = HostMode::refuses;
    const auto table = queue("t");
    (void)stream(table, 3000);
    loop.advance(2min);
    const auto attempts = host(1).attempts;
    loop.advance(1h);
    EXPECT_EQ(host(1).attempts, attempts);
}

}  // namespace
}  // namespace proxyd::pool
