#include "backends/event/resolver.h"

#include <atomic>
#include <condition_variable>
#include <thread>

#include <gtest/gtest.h>

#include "backends/event/event_loop.h"
#include "tests/unit/event/fake_loop.h"

namespace proxyd {
namespace {

using namespace std::chrono_literals;

// A name service that can hang, and answers with what the test sets.
struct NameService {
    std::mutex mutex;
    std::condition_variable wake;
    bool hanging = false;
    Addresses answer{{"192.0.2.1", "2001:db8::1"}, ""};
    std::atomic<int> asked{0};
    std::atomic<int> given{0};

    Addresses lookup() {
        ++asked;
        std::unique_lock lock(mutex);
        wake.wait(lock, [this] { return !hanging; });
        ++given;
        return answer;
    }
    void set(bool hangs, Addresses what) {
        {
            const std::lock_guard lock(mutex);
            hanging = hangs;
            answer = std::move(what);
        }
        wake.notify_all();
    }
};

class ResolverTest : public testing::Test {
  protected:
    ResolverTest() {
        resolver->set_lookup([service = service](const std::string&) { return service->lookup(); });
    }
    ~ResolverTest() override { service->set(false, {}); }

    void run_for(Duration duration) {
        const auto timer = loop.make_timer([this] { loop.stop(); });
        timer->start(duration);
        loop.run();
    }

    std::shared_ptr<NameService> service = std::make_shared<NameService>();
    EventLoop loop;
    std::unique_ptr<Resolver> resolver = std::make_unique<Resolver>(loop);
};

TEST_F(ResolverTest, NumericAddressesAreNotLookedUp) {
    for (const char* host : {"127.0.0.1", "::1", "2001:db8::5"}) {
        Addresses got;
        const auto handle = resolver->resolve(host, [&](const Addresses& answer) { got = answer; });
        EXPECT_TRUE(got.addresses.empty()) << "never before resolve() returns";
        run_for(5ms);
        EXPECT_EQ(got.addresses, std::vector<std::string>{host});
    }
    EXPECT_EQ(service->asked, 0);
}

TEST_F(ResolverTest, OneQuestionServesAllAndIsKept) {
    int answers = 0;
    std::vector<std::shared_ptr<Resolver::Handle>> handles;
    for (int i = 0; i < 10; ++i) {
        handles.push_back(resolver->resolve("db", [&](const Addresses& answer) {
            ++answers;
            EXPECT_EQ(answer.addresses.size(), 2U);
        }));
    }
    run_for(50ms);
    EXPECT_EQ(answers, 10);
    EXPECT_EQ(service->asked, 1);
    const auto again = resolver->resolve("db", [&](const Addresses&) { ++answers; });
    run_for(5ms);
    EXPECT_EQ(answers, 11);
    EXPECT_EQ(service->asked, 1);
}

TEST_F(ResolverTest, AHangingNameServiceHoldsUpNothingElse) {
    service->set(true, {});
    bool answered = false;
    const auto handle = resolver->resolve("db", [&](const Addresses&) { answered = true; });
    bool other = false;
    const auto numeric = resolver->resolve("127.0.0.1", [&](const Addresses&) { other = true; });
    run_for(50ms);
    EXPECT_FALSE(answered);
    EXPECT_TRUE(other);
    service->set(false, {{}, "host name db: no such name"});
    run_for(50ms);
    EXPECT_TRUE(answered);
}

TEST_F(ResolverTest, AFailureIsToldAndNotKept) {
    service->set(false, {{}, "no such name"});
    std::string error;
    auto handle = resolver->resolve("db", [&](const Addresses& answer) { error = answer.error; });
    run_for(50ms);
    EXPECT_EQ(error, "no such name");
    service->set(false, {{"192.0.2.7"}, ""});
    std::vector<std::string> got;
    handle = resolver->resolve("db", [&](const Addresses& answer) { got = answer.addresses; });
    run_for(50ms);
    EXPECT_EQ(got, std::vector<std::string>{"192.0.2.7"});
}

TEST_F(ResolverTest, ADestroyedHandleIsNotCalled) {
    auto handle = resolver->resolve("db", [](const Addresses&) { FAIL(); });
    auto numeric = resolver->resolve("::1", [](const Addresses&) { FAIL(); });
    handle.reset();
    numeric.reset();
    run_for(50ms);
}

TEST_F(ResolverTest, TheHandleMayBeDestroyedInItsCallback) {
    std::shared_ptr<Resolver::Handle> handle;
    bool called = false;
    handle = resolver->resolve("db", [&](const Addresses&) {
        handle.reset();
        called = true;
        handle = resolver->resolve("db", [](const Addresses&) {});
    });
    run_for(50ms);
    EXPECT_TRUE(called);
}

TEST_F(ResolverTest, ItMayEndWhileTheNameServiceHangs) {
    service->set(true, {});
    auto handle = resolver->resolve("db", [](const Addresses&) { FAIL(); });
    run_for(20ms);
    EXPECT_EQ(service->asked, 1);
    resolver.reset();
    service->set(false, {{"192.0.2.1"}, ""});
    run_for(50ms);
}

// The test advances the loop's clock. The name service still runs on its own threads.
class ResolverWithOldAnswers : public testing::Test {
  protected:
    ResolverWithOldAnswers() {
        resolver.set_lookup([service = service](const std::string&) { return service->lookup(); });
        ask();
        EXPECT_TRUE(wait_until([this] { return !got.empty(); }));
    }
    ~ResolverWithOldAnswers() override { service->set(false, {}); }

    void ask() {
        got.clear();
        handle = resolver.resolve("db", [this](const Addresses& answer) { got = answer.addresses; });
    }
    // The addresses that are available without waiting.
    std::vector<std::string> at_once() {
        ask();
        loop.advance(0s);
        return got;
    }
    template <typename Condition>
    bool wait_until(Condition&& condition) {
        for (int i = 0; i < 5000 && !condition(); ++i) {
            loop.advance(0s);
            std::this_thread::sleep_for(1ms);
        }
        return condition();
    }
    // Waits until the name service has answered the last question, and the resolver has seen it.
    void wait_for_answer() {
        EXPECT_TRUE(wait_until([this] { return service->given == service->asked; }));
        EXPECT_TRUE(wait_until([this] { return resolver.asking() == 0; }));
    }

    std::shared_ptr<NameService> service = std::make_shared<NameService>();
    FakeLoop loop;
    Resolver resolver{loop};
    std::shared_ptr<Resolver::Handle> handle;
    std::vector<std::string> got;
    const std::vector<std::string> old_ones = service->answer.addresses;
    const std::vector<std::string> new_ones{"192.0.2.9"};
};

TEST_F(ResolverWithOldAnswers, RecentOnesServeAndNobodyIsAsked) {
    const auto used = handle;
    loop.advance(29s);
    EXPECT_EQ(at_once(), old_ones);
    EXPECT_EQ(service->asked, 1);
}

// The database may have moved to another address.
TEST_F(ResolverWithOldAnswers, WithoutAConnectionTheyAreAskedForAgainOnceASecond) {
    service->set(false, {new_ones, ""});
    handle.reset();
    EXPECT_EQ(at_once(), old_ones);
    EXPECT_EQ(service->asked, 1);
    handle.reset();
    loop.advance(1s);
    EXPECT_EQ(at_once(), old_ones);
    wait_for_answer();
    EXPECT_EQ(service->asked, 2);
    EXPECT_EQ(at_once(), new_ones);
}

TEST_F(ResolverWithOldAnswers, NotSoRecentOnesServeWhileNewOnesAreAskedFor) {
    handle.reset();
    service->set(true, {});
    loop.advance(59s);
    EXPECT_EQ(at_once(), old_ones);
    EXPECT_TRUE(wait_until([this] { return service->asked == 2; }));
    service->set(false, {new_ones, ""});
    wait_for_answer();
    EXPECT_EQ(at_once(), new_ones);
}

// When the old addresses have not been used for long, one lookup waits briefly for new ones.
TEST_F(ResolverWithOldAnswers, OldOnesServeWhenTheNameServiceHangs) {
    handle.reset();
    service->set(true, {});
    loop.advance(1h);
    EXPECT_TRUE(at_once().empty());
    loop.advance(249ms);
    EXPECT_TRUE(got.empty());
    loop.advance(1ms);
    EXPECT_EQ(got, old_ones);
    EXPECT_EQ(at_once(), old_ones) << "it is known to hang";
    handle.reset();
    loop.advance(1h);
    EXPECT_EQ(at_once(), old_ones);
    EXPECT_TRUE(wait_until([this] { return service->asked == 2; }));
    loop.advance(1s);
    EXPECT_EQ(at_once(), old_ones);
    EXPECT_EQ(service->asked, 2) << "one thread for a name";

    service->set(false, {{}, "server failure"});
    wait_for_answer();
    EXPECT_EQ(at_once(), old_ones) << "it is known to fail";
    wait_for_answer();
    service->set(false, {new_ones, ""});
    EXPECT_EQ(at_once(), old_ones);
    wait_for_answer();
    EXPECT_EQ(at_once(), new_ones);
}

TEST_F(ResolverWithOldAnswers, OldOnesWaitForNewOnesFromAWorkingNameService) {
    handle.reset();
    service->set(false, {new_ones, ""});
    loop.advance(1h);
    ask();
    EXPECT_TRUE(wait_until([this] { return !got.empty(); }));
    EXPECT_EQ(got, new_ones);
}

TEST_F(ResolverWithOldAnswers, WhatIsInUseIsRenewed) {
    for (int i = 0; i < 20; ++i) {
        loop.advance(10s);
        wait_for_answer();
    }
    const int asked = service->asked;
    EXPECT_GE(asked, 5);
    EXPECT_LE(asked, 8);

    service->set(true, {});
    for (int i = 0; i < 1000; ++i) loop.advance(10s);
    const auto used = handle;
    EXPECT_EQ(at_once(), old_ones) << "however long the name service has been hanging";
    service->set(false, {new_ones, ""});
    wait_for_answer();
    EXPECT_EQ(at_once(), new_ones);
}

TEST_F(ResolverWithOldAnswers, WhatIsNotInUseIsNot) {
    handle.reset();
    loop.advance(1h);
    EXPECT_EQ(resolver.asking(), 0U);
    EXPECT_EQ(service->asked, 1);
}

TEST(ResolverOfTheSystem, KnowsLocalhostAndNoNonsense) {
    EventLoop loop;
    Resolver resolver(loop);
    int answers = 0;
    const auto check = [&] {
        if (++answers == 2) loop.stop();
    };
    const auto local = resolver.resolve("localhost", [&](const Addresses& answer) {
        EXPECT_FALSE(answer.addresses.empty()) << answer.error;
        check();
    });
    const auto nonsense = resolver.resolve("no.such.name.invalid", [&](const Addresses& answer) {
        EXPECT_TRUE(answer.addresses.empty());
        EXPECT_NE(answer.error.find("no.such.name.invalid"), std::string::npos);
        check();
    });
    loop.run();
}

}  // namespace
}  // namespace proxyd
