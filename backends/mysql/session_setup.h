// Sets up the session of a connection after the login: sets the character set and the server's limit for
// statements, and asks whether the server serves. Optional statements are left out where connections do not
// survive them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "backends/event/loop.h"
#include "backends/mysql/handle.h"
#include "backends/mysql/setup_memory.h"

namespace proxyd::mysql {

struct Session {
    std::string host;  // as the setup memory knows it
    std::string charset;
    std::chrono::milliseconds time_limit{};  // the server's limit for statements
    std::chrono::milliseconds patience{};    // for an optional statement, in addition to four round trips
    TimePoint begun{};                       // when the connection began
};

class SessionSetup {
  public:
    enum class State {
        charset,     // SET NAMES is under way
        time_limit,  // the server's limit for statements is being set
        serving,     // the server is asked whether it takes queries
        done,        // the session is ready
        failed,      // the handle has the error of the last statement; the connection is of no use
        lost,        // an optional statement has broken the connection; the next one may be set up without it
    };

    // The handle is logged in. The references outlive the setup, except that the handle is destroyed first if
    // a statement is still under way. `lost` is called from the loop when an optional statement is not
    // answered in time.
    SessionSetup(Loop& loop, SetupMemory& memory, Handle& handle, Session session,
                 std::function<void()> lost);
    SessionSetup(const SessionSetup&) = delete;
    SessionSetup& operator=(const SessionSetup&) = delete;

    // Begins the first statement. Returns the events that the library waits for; 0: it is answered already.
    [[nodiscard]] int begin();

    // A statement is answered. Begins the next one and returns the same as begin(); no value: the setup is
    // over.
    [[nodiscard]] std::optional<int> statement_done();

    // The setup is abandoned: `lost` is not called any more.
    void stop() { patience_timer_->stop(); }

    [[nodiscard]] State state() const { return state_; }

    // The time of an empty exchange with the server. Valid after the character set.
    [[nodiscard]] Duration round_trip() const { return round_trip_; }

    // In state `lost`: the statement, and how the connection broke.
    [[nodiscard]] std::string loss() const { return text_ + ": " + why_lost_; }

  private:
    [[nodiscard]] int begin_optional(OptionalStep step);
    // Begins the next wanted statement after the present one.
    [[nodiscard]] std::optional<int> begin_next();
    [[nodiscard]] std::optional<int> optional_step_done();
    // Each ends the setup and returns no value.
    [[nodiscard]] std::optional<int> succeed();
    [[nodiscard]] std::optional<int> fail();
    [[nodiscard]] std::optional<int> lose(const std::string& why);
    [[nodiscard]] bool wants(OptionalStep step) const;
    [[nodiscard]] std::string statement_of(OptionalStep step) const;
    [[nodiscard]] OptionalStep optional_step() const;  // the one under way
    [[nodiscard]] bool is_of_no_use() const;

    Loop& loop_;
    SetupMemory& memory_;
    Handle& handle_;
    Session session_;
    std::unique_ptr<Timer> patience_timer_;  // of an optional statement
    State state_ = State::charset;
    int call_result_ = 0;  // of the library's call
    std::string text_;     // the optional statement under way: the library reads it while it sends
    std::string why_lost_;
    TimePoint charset_sent_at_{};
    Duration round_trip_{};
};

// The statement that sets the server's time limit for statements.
[[nodiscard]] std::string time_limit_statement(Handle& handle, std::chrono::milliseconds limit);

}  // namespace proxyd::mysql
