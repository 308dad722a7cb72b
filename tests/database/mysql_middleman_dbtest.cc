// What stands between us and the server, and does not understand all that we say to it.
#include <algorithm>
#include <utility>
#include <vector>

#include "tests/database/loop_server.h"
#include "tests/database/mysql_scene.h"
#include "tests/database/willing_server.h"

namespace proxyd {
namespace {

enum class Trouble { none, hangs_up_once, hangs_up, answers_with_rows, answers_twice, is_silent, refuses };

constexpr const char* asks_whether_it_serves = "DO 0";
constexpr const char* sets_time_limit = "SET SESSION max_execution_time";

class MysqlMiddleman : public MysqlScene {
  protected:
    MysqlMiddleman() { settings.pool_size = 1; }

    // Has that trouble with statements that begin so.
    void has(Trouble trouble, const std::string& with) {
        trouble_ = trouble;
        with_ = with;
        asked_ = 0;
        server_ = std::make_unique<LoopServer>(
            loop, ScriptedServer::greeting("mysql_native_password"), [this](const std::string& heard) {
                return willing_answer(heard, [this](const std::string& query) { return answer_to(query); });
            });
    }
    void has(Trouble trouble) { trouble_ = trouble; }

    std::string make_table() {
        return table_at("127.0.0.1:" + server_->port, "query = SELECT '%s'", server_->port + ".cf");
    }
    void end_connection() { server_->reset(); }

    // How often such a statement came.
    [[nodiscard]] int asked() const { return asked_; }

    // Answers lookups only after a while, and says nothing that is right any more when it hears of another
    // one meanwhile: as poolers do that keep no account of what is sent ahead.
    bool takes_its_time = false;
    int sent_ahead = 0;

    bool not_ready = false;  // to lookups: ER_UNKNOWN_COM_ERROR

  private:
    std::optional<std::string> answer_to(const std::string& query) {
        const bool lookup = query.starts_with("SELECT '");
        if (not_ready && lookup) return ScriptedServer::error(1, 1047, "08S01");
        if (takes_its_time && lookup) {
            if (!held_.empty()) ++sent_ahead;
            held_ = query.substr(7);
            timer_->start(200us);
            return "";
        }
        if (!query.starts_with(with_)) return std::nullopt;
        ++asked_;
        switch (trouble_) {
            case Trouble::none: return std::nullopt;
            case Trouble::hangs_up_once: trouble_ = Trouble::none; [[fallthrough]];
            case Trouble::hangs_up: loop.defer([this] { end_connection(); }); return "";
            case Trouble::answers_with_rows: return ScriptedServer::rows("none");
            case Trouble::answers_twice: return ScriptedServer::ok(1) + ScriptedServer::ok(1);
            case Trouble::is_silent: return "";
            case Trouble::refuses: return ScriptedServer::error(1, 1064, "42000");
        }
        return std::nullopt;
    }

    void say_held() { server_->say(ScriptedServer::rows(std::exchange(held_, ""))); }

    Trouble trouble_ = Trouble::none;
    std::string with_;
    std::string held_;  // the answer that it has not given yet
    std::unique_ptr<Timer> timer_ = loop.make_timer([this] { say_held(); });
    int asked_ = 0;
    std::unique_ptr<LoopServer> server_;
};

TEST_F(MysqlMiddleman, AStatementThatEndsConnectionsIsLeftOutWhenItIsNotNeeded) {
    for (const auto* statement : {asks_whether_it_serves, sets_time_limit}) {
        for (const auto trouble :
             {Trouble::hangs_up, Trouble::answers_with_rows, Trouble::answers_twice, Trouble::is_silent}) {
            SCOPED_TRACE(fmt::format("{}: {}", statement, static_cast<int>(trouble)));
            has(trouble, statement);
            const auto lines = logged("left out");
            const auto name = make_table();
            EXPECT_EQ(answer(name, "a"), "'a'") << recorded.text();
            EXPECT_EQ(asked(), 2) << "once may be by chance";
            EXPECT_EQ(logged("left out"), lines + 1) << recorded.text();
            end_connection();
            EXPECT_EQ(answer(name, "b"), "'b'") << recorded.text();
            EXPECT_EQ(asked(), 2) << "it is known now";
            EXPECT_EQ(logged("left out"), lines + 1) << recorded.text();
        }
    }
}

TEST_F(MysqlMiddleman, AServerThatEndsOnceIsAskedAgain) {
    has(Trouble::hangs_up_once, asks_whether_it_serves);
    const auto name = make_table();
    EXPECT_EQ(answer(name, "a"), "'a'") << recorded.text();
    EXPECT_EQ(asked(), 2);
    end_connection();
    EXPECT_EQ(answer(name, "b"), "'b'");
    EXPECT_EQ(asked(), 3);
    EXPECT_EQ(logged("left out"), 0U) << recorded.text();
}

TEST_F(MysqlMiddleman, AnErrorIsAnAnswer) {
    has(Trouble::refuses, asks_whether_it_serves);
    const auto name = make_table();
    EXPECT_EQ(answer(name, "a"), "'a'") << recorded.text();
    end_connection();
    EXPECT_EQ(answer(name, "b"), "'b'");
    EXPECT_EQ(asked(), 2) << "each connection is asked once";
    EXPECT_EQ(recorded.text().find("left out"), std::string::npos);
}

// A Galera node behind it that is not ready: the check is worth another try.
TEST_F(MysqlMiddleman, AServerThatTakesNoQueriesIsCheckedAgain) {
    has(Trouble::hangs_up, asks_whether_it_serves);
    const auto name = make_table();
    EXPECT_EQ(answer(name, "a"), "'a'") << recorded.text();
    EXPECT_EQ(asked(), 2);
    has(Trouble::none);
    not_ready = true;
    const auto lookup = start(name, "b");
    EXPECT_TRUE(run_until([&] { return asked() >= 3; })) << recorded.text();
    not_ready = false;
    EXPECT_TRUE(run_until([&] { return lookup->answers > 0; }));
    EXPECT_EQ(lookup->value, "'b'") << recorded.text();
}

TEST_F(MysqlMiddleman, NothingIsSentAheadOfAnAnswer) {
    has(Trouble::none, "");
    takes_its_time = true;
    const auto name = make_table();
    EXPECT_EQ(answer(name, "first"), "'first'") << recorded.text();  // the table is known to be quick now
    std::vector<std::shared_ptr<Lookup>> lookups;
    for (int i = 0; i < 40; ++i) lookups.push_back(start(name, fmt::format("k{}", i)));
    EXPECT_TRUE(run_until([&] {
        return std::all_of(lookups.begin(), lookups.end(), [](const auto& one) { return one->answers > 0; });
    }));
    for (std::size_t i = 0; i < lookups.size(); ++i) EXPECT_EQ(lookups[i]->value, fmt::format("'k{}'", i));
    EXPECT_EQ(sent_ahead, 0);
}

// The answers to others do not move up.
TEST_F(MysqlMiddleman, AnAnswerThatIsSwallowedIsNoOneElses) {
    settings.lookup_timeout = 500ms;
    has(Trouble::is_silent, "SELECT 'a'");
    const auto name = make_table();
    EXPECT_EQ(answer(name, "first"), "'first'") << recorded.text();
    const auto swallowed = start(name, "a");
    std::vector<std::shared_ptr<Lookup>> others;
    const auto ask_on = [&] {
        if (others.empty() || others.back()->answers > 0)
            others.push_back(start(name, fmt::format("k{}", others.size())));
        return others.size() > 20;
    };
    EXPECT_TRUE(run_until(ask_on));
    EXPECT_EQ(swallowed->status, Status::retry);
    EXPECT_TRUE(run_until([&] { return others.back()->answers > 0; }));
    for (std::size_t i = 0; i < others.size(); ++i) {
        if (others[i]->status == Status::ok) {
            EXPECT_EQ(others[i]->value, fmt::format("'k{}'", i));
        } else {
            EXPECT_EQ(others[i]->status, Status::retry);
        }
    }
    EXPECT_EQ(others.back()->status, Status::ok) << recorded.text();
}

}  // namespace
}  // namespace proxyd
