// What is said to a server after the login, and what its answers lead to.
#include "backends/mysql/session_setup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/event/event_loop.h"
#include "backends/mysql/handle_watch.h"
#include "tests/database/loop_server.h"
#include "tests/database/willing_server.h"

namespace proxyd::mysql {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using State = SessionSetup::State;

constexpr const char* charset = "SET NAMES utf8mb4";
constexpr const char* time_limit = "SET SESSION max_execution_time=9000";
constexpr const char* serving = "DO 0";

// One connection to a server that answers as the test says.
class SessionSetupTest : public testing::Test {
  protected:
    // The server answers this statement with these bytes; "": not at all.
    void answer(const std::string& statement, const std::string& bytes) { answers_[statement] = bytes; }

    // Sets up a session; returns how that ended.
    State set_up(std::string greeting = ScriptedServer::greeting("mysql_native_password")) {
        LoopServer server(loop, std::move(greeting), [this](const std::string& heard) {
            return willing_answer(heard, [this](const std::string& query) -> std::optional<std::string> {
                said.push_back(query);
                const auto other = answers_.find(query);
                return other == answers_.end() ? std::nullopt : std::optional(other->second);
            });
        });
        said.clear();
        loss.clear();
        setup_.reset();
        Handle handle;
        watch_.emplace(loop, [&](int ready) { drive(handle, handle.go_on(ready)); });
        MYSQL* connected = nullptr;
        drive(handle, handle.start_connecting(
                          [&] {
                              return mysql_real_connect_start(&connected, handle.get(), "127.0.0.1", "u", "p",
                                                              "d",
                                                              static_cast<unsigned>(std::stoi(server.port)),
                                                              nullptr, CLIENT_MULTI_RESULTS);
                          },
                          [&](int ready) { return mysql_real_connect_cont(&connected, handle.get(), ready); },
                          [] {}));
        loop.run();
        EXPECT_NE(connected, nullptr);
        watch_.reset();
        return setup_->state();
    }

    void drive(Handle& handle, std::optional<int> waits) {
        while (waits && *waits == 0) waits = setup_ ? setup_->statement_done() : begin(handle);
        if (waits) return watch_->wait_for(handle, *waits);
        end();
    }
    int begin(Handle& handle) {
        setup_.emplace(loop, memory, handle, Session{"host", "utf8mb4", 9s, 20ms, loop.now()},
                       [this] { end(); });
        return setup_->begin();
    }
    void end() {
        watch_->stop();
        if (setup_->state() == State::lost) loss = setup_->loss();
        loop.stop();
    }

    EventLoop loop;
    SetupMemory memory;
    std::vector<std::string> said;
    std::string loss;

  private:
    std::map<std::string, std::string> answers_;
    std::optional<SessionSetup> setup_;
    std::optional<HandleWatch> watch_;
};

TEST_F(SessionSetupTest, ThreeStatementsAreSentInOrder) {
    EXPECT_EQ(set_up(), State::done);
    EXPECT_THAT(said, ElementsAre(charset, time_limit, serving));
}

TEST_F(SessionSetupTest, MariaDbHasAStatementOfItsOwnForTheLimit) {
    auto greeting = ScriptedServer::greeting("mysql_native_password");
    const std::string other = "-MariaDB";
    greeting.insert(greeting.find("8.4.0") + 5, other);
    greeting[0] = static_cast<char>(greeting[0] + static_cast<char>(other.size()));
    EXPECT_EQ(set_up(greeting), State::done);
    EXPECT_THAT(said, ElementsAre(charset, "SET SESSION max_statement_time=9.000", serving));
}

TEST_F(SessionSetupTest, AServerWithoutTheCharacterSetIsOfNoUse) {
    answer(charset, ScriptedServer::error(1, 1115, "42000"));
    EXPECT_EQ(set_up(), State::failed);
    EXPECT_THAT(said, ElementsAre(charset));
}

TEST_F(SessionSetupTest, AServerThatDoesNotKnowTheLimitServes) {
    answer(time_limit, ScriptedServer::error(1, 1193, "HY000"));
    EXPECT_EQ(set_up(), State::done);
    EXPECT_THAT(said, ElementsAre(charset, time_limit, serving));
}

TEST_F(SessionSetupTest, AServerThatTakesNoQueriesIsOfNoUse) {
    answer(serving, ScriptedServer::error(1, 1047, "08S01"));
    EXPECT_EQ(set_up(), State::failed);
}

TEST_F(SessionSetupTest, AStatementThatIsNotAnsweredTwiceIsLeftOut) {
    answer(time_limit, "");
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(set_up(), State::lost);
        EXPECT_THAT(said, ElementsAre(charset, time_limit));
        EXPECT_EQ(loss, std::string(time_limit) + ": not answered");
    }
    EXPECT_EQ(set_up(), State::done);
    EXPECT_THAT(said, ElementsAre(charset, serving));
}

TEST_F(SessionSetupTest, RowsAreNoAnswerToAStatementWithoutAny) {
    answer(serving, ScriptedServer::rows("0"));
    EXPECT_EQ(set_up(), State::lost);
    EXPECT_EQ(loss, "DO 0: answered with what was not asked for");
}

}  // namespace
}  // namespace proxyd::mysql
