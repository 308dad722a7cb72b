// When a host is tried again, and which host.
#include <gtest/gtest.h>

#include "backends/pool/host_choice.h"

namespace proxyd::pool {
namespace {

using namespace std::chrono_literals;

class HostTest : public testing::Test {
  protected:
    void fail(Host& host, FailureClass kind, bool answers = false) {
        host.failed({kind, "no"}, now, random, {now, answers});
    }
    Host connected(int rank = 1) {
        Host host({"h", rank});
        (void)host.connected(now, 5ms);
        return host;
    }

    TimePoint now{std::chrono::hours(1)};
    std::minstd_rand random{1};
};

TEST_F(HostTest, AnAnswerMakesItUp) {
    auto host = connected();
    fail(host, FailureClass::unreachable);
    EXPECT_EQ(host.health(), HostHealth::down);
    EXPECT_TRUE(host.answered(now)) << "worth a line";
    EXPECT_TRUE(host.is_up());
    EXPECT_FALSE(host.answered(now));
    EXPECT_FALSE(host.may_connect(now, true)) << "it is not tried all the time";
}

TEST_F(HostTest, OfConnectionsThatWereMadeBeforeItRefusedUsAnswersSayNothing) {
    auto host = connected();
    fail(host, FailureClass::configuration);
    EXPECT_FALSE(host.answered(now));
    EXPECT_EQ(host.health(), HostHealth::misconfigured);
}

TEST_F(HostTest, AnAttemptThatFailsBesideAnswersLeavesItUp) {
    auto host = connected();
    fail(host, FailureClass::unreachable, true);
    EXPECT_TRUE(host.is_up());
    EXPECT_FALSE(host.may_connect(now, true));
    EXPECT_TRUE(host.may_connect(now + 600ms, true));
}

TEST_F(HostTest, ASuspectIsUpWithOneAnswer) {
    auto host = connected();
    host.suspected(now, "says nothing");
    EXPECT_TRUE(host.is_failing());
    EXPECT_TRUE(host.answered(now + 1s));
    EXPECT_TRUE(host.is_up());
}

TEST_F(HostTest, TheReturnFromAShortOutageIsNoticedSoon) {
    for (const auto outage : {40ms, 100ms, 400ms, 700ms, 1500ms}) {
        auto host = connected();
        const auto begun = now;
        while (now < begun + outage) {
            fail(host, FailureClass::unreachable);
            now = std::max(now, host.retry_at(true));
        }
        EXPECT_LE(now - begun, outage * 5 / 4 + 10ms);
    }
}

TEST_F(HostTest, AfterALongAttemptThePauseIsShort) {
    auto host = connected();
    for (int i = 0; i < 20; ++i) {
        fail(host, FailureClass::unreachable);
        now = host.retry_at(true);
    }
    host.failed({FailureClass::unreachable, "broken"}, now, random, {now - 1s, false});
    EXPECT_LE(host.retry_at(true) - now, 100ms);
    EXPECT_GE(host.retry_at(true) - now, 50ms) << "there is a moment in which nobody knocks";
    fail(host, FailureClass::unreachable);
    EXPECT_GE(host.retry_at(true) - now, 300ms);
}

// The host is a standby; its primary serves.
TEST_F(HostTest, OneThatIsNotWantedIsTriedSeldomWhileAnotherServes) {
    auto host = connected();
    fail(host, FailureClass::unwanted);
    EXPECT_EQ(host.health(), HostHealth::unwanted);
    EXPECT_FALSE(host.may_connect(now + 20s, false));
    EXPECT_TRUE(host.may_connect(now + 31s, false));
    EXPECT_TRUE(host.may_connect(now + 500ms, true)) << "it may have become the primary";
    EXPECT_TRUE(host.connected(now, 5ms));
}

// Another server may be the primary behind the same address by now.
TEST_F(HostTest, AttemptsAreShortWhereConnectionsWereMadeQuickly) {
    auto host = connected();
    EXPECT_EQ(host.attempt_limit(3s), 1s);
    EXPECT_EQ(host.attempt_limit(500ms), 500ms);
    int long_ones = 0;
    for (int i = 0; i < 8; ++i) {
        fail(host, FailureClass::unreachable);
        if (host.attempt_limit(3s) == 3s) ++long_ones;
    }
    EXPECT_GT(long_ones, 0) << "it may have become slow";
    EXPECT_LE(long_ones, 3);
    (void)host.connected(now, 2s);
    EXPECT_EQ(host.attempt_limit(10s), 8s);
    EXPECT_EQ(Host({"new", 1}).attempt_limit(3s), 3s);
}

TEST_F(HostTest, OneThatHasGivenNoConnectionGetsOneAttemptAtATime) {
    const Host fresh({"h", 1});
    EXPECT_TRUE(takes_attempt(fresh, {}));
    EXPECT_FALSE(takes_attempt(fresh, {1, 0, 1, false, false}));
    auto host = connected();
    EXPECT_TRUE(takes_attempt(host, {5, 1, 4, false, false}));
    EXPECT_FALSE(takes_attempt(host, {5, 4, 1, true, false})) << "an attempt takes long";
    fail(host, FailureClass::unreachable, true);
    EXPECT_FALSE(takes_attempt(host, {5, 4, 1, false, false})) << "the last attempt failed";
}

TEST_F(HostTest, BesideSilentConnectionsTwoAttemptsAreMade) {
    auto host = connected();
    EXPECT_TRUE(takes_attempt(host, {3, 2, 1, true, true}));
    EXPECT_FALSE(takes_attempt(host, {4, 2, 2, true, true}));
}

TEST_F(HostTest, TheHostThatWasAskedIsChosenLast) {
    const std::vector<Host> hosts{connected(0), connected(1)};
    const std::vector<HostLoad> loads(2);
    EXPECT_EQ(choose_host(hosts, loads, {now, {}}, random), 0U);
    EXPECT_EQ(choose_host(hosts, loads, {now, {}, 0U}, random), 1U);
    EXPECT_EQ(choose_host({connected()}, {HostLoad{}}, {now, {}, 0U}, random), 0U);
}

TEST_F(HostTest, OneThatIsWellIsChosenBeforeASuspect) {
    std::vector<Host> hosts{connected(0), connected(1)};
    hosts[0].suspected(now, "says nothing");
    EXPECT_EQ(choose_host(hosts, {{}, {}}, {now, {}}, random), 1U);
    fail(hosts[1], FailureClass::unreachable);
    EXPECT_EQ(choose_host(hosts, {{}, {}}, {now, {}}, random), 0U);
}

}  // namespace
}  // namespace proxyd::pool
