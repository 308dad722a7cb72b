// Which connections of the relay may have one process of the stock server behind them.
#include "backends/relay/shared_process.h"

#include <gtest/gtest.h>

namespace proxyd::relay {
namespace {

using namespace std::chrono_literals;

class SharedProcessTest : public testing::Test {
  protected:
    Slot& open() {
        slots.push_back(std::make_unique<Slot>());
        slots.back()->id = slots.size();
        slots.back()->opened_at = now;
        return *slots.back();
    }
    void accept(Slot& slot) {
        set(slot, Slot::State::idle);
        note_accepted(slot, slots);
    }
    Slot& accepted() {
        auto& slot = open();
        accept(slot);
        return slot;
    }
    void send(Slot& slot) { set(slot, Slot::State::busy); }
    void reply(Slot& slot) {
        note_replied(slot, slots);
        set(slot, Slot::State::idle);
    }
    void set(Slot& slot, Slot::State state) {
        slot.state = state;
        slot.since = now;
    }

    TimePoint now{1h};
    Slots slots;
};

TEST_F(SharedProcessTest, AnIdleProcessMayAcceptAnotherConnection) {
    auto& first = accepted();
    auto& second = accepted();
    EXPECT_TRUE(may_share_process(first, second));
    EXPECT_TRUE(may_share_process(second, first));
    EXPECT_FALSE(is_any_suspicious(slots)) << "no request is under way";
    send(second);
    EXPECT_TRUE(is_any_suspicious(slots));
}

TEST_F(SharedProcessTest, AProcessAtWorkAcceptsNothing) {
    auto& first = accepted();
    send(first);
    EXPECT_FALSE(all_processes_work(slots, now)) << "the request may not have arrived";
    now += 10ms;
    EXPECT_TRUE(all_processes_work(slots, now));
    EXPECT_FALSE(may_share_process(accepted(), first));
}

TEST_F(SharedProcessTest, AProcessMayAcceptAConnectionThatWaitedForIt) {
    auto& first = accepted();
    send(first);
    now += 9ms;
    auto& second = open();
    now += 1s;
    accept(second);
    EXPECT_TRUE(may_share_process(second, first));
}

TEST_F(SharedProcessTest, TheYoungerRequestWaits) {
    auto& first = accepted();
    auto& second = accepted();
    send(second);
    EXPECT_FALSE(would_wait_behind_another(first, slots, now));
    now += 10ms;
    EXPECT_TRUE(would_wait_behind_another(first, slots, now));
    send(first);
    EXPECT_FALSE(waits_behind_another(first, slots, now)) << "it may yet be served";
    now += 10ms;
    EXPECT_TRUE(waits_behind_another(first, slots, now));
    EXPECT_FALSE(waits_behind_another(second, slots, now));
}

TEST_F(SharedProcessTest, OfRequestsSentAtOnceTheOlderConnectionIsFirst) {
    auto& first = accepted();
    auto& second = accepted();
    send(second);
    send(first);
    now += 10ms;
    EXPECT_FALSE(waits_behind_another(first, slots, now));
    EXPECT_TRUE(waits_behind_another(second, slots, now));
}

TEST_F(SharedProcessTest, AReplyWhileAnotherWorksRefutesTheSuspicion) {
    auto& first = accepted();
    auto& second = accepted();
    send(first);
    now += 9ms;
    send(second);
    reply(second);
    EXPECT_TRUE(may_share_process(first, second)) << "it may have been served before";
    now += 1ms;
    send(second);
    reply(second);
    EXPECT_FALSE(may_share_process(first, second));
    EXPECT_FALSE(would_wait_behind_another(second, slots, now));
}

TEST_F(SharedProcessTest, AClosedConnectionIsForgotten) {
    accepted();
    auto& second = accepted();
    send(second);
    const auto id = slots.front()->id;
    slots.erase(slots.begin());
    note_closed(id, slots);
    EXPECT_FALSE(is_any_suspicious(slots));
}

}  // namespace
}  // namespace proxyd::relay
