// Fake database hosts under a test's control, and the driver that connects to them.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/pool/connection.h"
#include "tests/unit/event/fake_loop.h"

namespace proxyd::pool {

enum class HostMode { up, refuses, silent, wrong_password, full, not_serving, read_only };

// How a host reacts to one query.
struct Reaction {
    enum class Kind { rows, query_error, conflict, breaks, not_serving, resend, too_large, never };
    Kind kind = Kind::rows;
    Duration time = std::chrono::microseconds(100);
};

struct FakeHost {
    HostMode mode = HostMode::up;
    Duration connect_time = std::chrono::milliseconds(1);
    Duration round_trip{};
    std::size_t attempts = 0;
};

struct SentQuery {
    std::size_t host;
    std::string key;
};

class FakeStatement final : public Statement {
  public:
    explicit FakeStatement(bool exclusive = false, bool repeatable = true, bool leaves_state = false)
        : exclusive_(exclusive), repeatable_(repeatable), leaves_state_(leaves_state) {}
    [[nodiscard]] bool exclusive() const override { return exclusive_; }
    [[nodiscard]] bool repeatable() const override { return repeatable_; }
    [[nodiscard]] bool leaves_state() const override { return leaves_state_; }

  private:
    bool exclusive_;
    bool repeatable_;
    bool leaves_state_;
};

class OneCell final : public Rows {
  public:
    explicit OneCell(std::string value) : value_(std::move(value)) {}
    [[nodiscard]] std::size_t rows() const override { return 1; }
    [[nodiscard]] std::size_t columns() const override { return 1; }
    [[nodiscard]] std::optional<std::string_view> cell(std::size_t, std::size_t) const override {
        return value_;
    }

  private:
    std::string value_;
};

class FakeConnection;

// The hosts, with a record of the queries they got and of their connections.
struct FakeDatabase {
    FakeDatabase(FakeLoop& the_loop, std::size_t count) : loop(the_loop), hosts(count) {}

    FakeLoop& loop;
    std::vector<FakeHost> hosts;
    std::function<Reaction(std::size_t host, const std::string& key)> react = [](auto, const auto&) {
        return Reaction{};
    };
    // Whether a new connection reaches a server that answers. Several servers may share one address.
    std::function<bool(std::size_t host)> answers_new = [](auto) { return true; };
    std::string account;
    bool pipelines = true;
    // The answers of queries that may be batched come with the answer of the next query.
    bool answers_together = false;
    std::size_t may_batch = 0;  // number of sent queries that may be batched
    // A connection is due for recycling after so many queries; 0: never.
    std::size_t worn_after = 0;
    // How connections react to a reset; without a value they cannot be reset.
    std::optional<Reaction> resets = Reaction{};
    std::size_t connections_made = 0;

    std::vector<SentQuery> sent;
    std::vector<FakeConnection*> connections;  // all existing connections
    std::size_t most_connections = 0;
    std::size_t deepest = 0;
    std::vector<std::string> violations;  // violations of the driver's contract

    [[nodiscard]] std::size_t connections_to(std::size_t host) const;
    [[nodiscard]] std::vector<std::string> sent_keys() const {
        std::vector<std::string> keys;
        for (const auto& query : sent) keys.push_back(query.key);
        return keys;
    }
    void break_connections(std::size_t host);
    // The host hangs, like a paused machine. After thaw() it continues with the queries that it has received.
    void freeze(std::size_t host);
    void thaw(std::size_t host);
};

class FakeConnection final : public Connection {
  public:
    FakeConnection(FakeDatabase& database, std::size_t host_index, ConnectionObserver& observer)
        : host(host_index), database_(database), observer_(observer) {
        database_.connections.push_back(this);
        ++database_.connections_made;
        database_.most_connections = std::max(database_.most_connections, database_.connections.size());
    }
    ~FakeConnection() override { std::erase(database_.connections, this); }
    FakeConnection(const FakeConnection&) = delete;
    FakeConnection& operator=(const FakeConnection&) = delete;

    void connect() override {
        auto& there = database_.hosts[host];
        ++there.attempts;
        if (!database_.answers_new(host)) hung_ = true;
        if (there.mode == HostMode::silent || hung_) return;
        database_.loop.after(there.connect_time, alive_, [this] { end_connect(); });
    }

    void send(QueryToken token, const Query& query) override {
        if (!connected_ || closed_) database_.violations.push_back("sent before connected or after closed");
        if (dirty_) database_.violations.push_back("sent into what another one has left behind");
        if (query.statement->exclusive() && !work_.empty())
            database_.violations.push_back("exclusive, not alone");
        if (!work_.empty() && work_.back().exclusive)
            database_.violations.push_back("sent behind an exclusive one");
        if (!work_.empty() && !database_.pipelines)
            database_.violations.push_back("pipelined without pipelines");
        database_.sent.push_back({host, query.key->text()});
        ++served_;
        if (query.may_batch) ++database_.may_batch;
        const bool shares =
            database_.answers_together && query.statement->repeatable() && !query.statement->exclusive();
        if (shares && !work_.empty() && work_.back().may_batch && work_.back().at == database_.loop.now())
            work_.back().held = true;
        work_.push_back({token, query.key->text(), query.statement->exclusive(), database_.loop.now(),
                         shares && query.may_batch, false});
        database_.deepest = std::max(database_.deepest, work_.size());
        dirty_ = query.statement->leaves_state();
        if (work_.size() == 1) start_head();
    }

    [[nodiscard]] bool reset() override {
        if (!database_.resets) return false;
        if (!work_.empty() || closed_) database_.violations.push_back("reset while something is under way");
        if (database_.resets->kind == Reaction::Kind::never) return true;
        database_.loop.after(database_.resets->time, alive_, [this, kind = database_.resets->kind] {
            if (closed_) return;
            if (kind == Reaction::Kind::breaks) return break_now();
            dirty_ = false;
            observer_.connected(database_.hosts[host].round_trip);
        });
        return true;
    }

    [[nodiscard]] std::size_t batch_size() const override {
        std::size_t held = 0;
        while (held < work_.size() && work_[held].held) ++held;
        return held_.size() + held + 1;
    }

    [[nodiscard]] bool should_recycle() const override {
        return database_.worn_after > 0 && served_ >= database_.worn_after;
    }

    // The server closes the connection.
    void break_now(FailureClass kind = FailureClass::lost) {
        if (closed_) return;
        closed_ = true;
        observer_.closed({kind, "broken"});
    }

    // Later queries are answered after go_on().
    void hang() { hung_ = true; }
    void go_on() {
        if (!std::exchange(hung_, false) || closed_) return;
        if (!connected_) {
            database_.loop.after(database_.hosts[host].connect_time, alive_, [this] { end_connect(); });
        } else if (!work_.empty()) {
            start_head();
        }
    }

    [[nodiscard]] bool hung() const { return hung_; }
    [[nodiscard]] std::size_t under_way() const { return work_.size(); }
    [[nodiscard]] bool ready() const { return connected_ && !closed_; }

    const std::size_t host;

  private:
    struct Work {
        QueryToken token;
        std::string key;
        bool exclusive;
        TimePoint at;
        bool may_batch;
        bool held;  // its answer comes with that of the next query
    };

    void end_connect() {
        if (connected_ || closed_) return;
        switch (database_.hosts[host].mode) {
            case HostMode::up:
                connected_ = true;
                observer_.connected(database_.hosts[host].round_trip);
                return;
            case HostMode::refuses: break_now(FailureClass::unreachable); return;
            case HostMode::wrong_password: break_now(FailureClass::configuration); return;
            case HostMode::full: break_now(FailureClass::too_many_connections); return;
            case HostMode::not_serving: break_now(FailureClass::not_serving); return;
            case HostMode::read_only: break_now(FailureClass::unwanted); return;
            case HostMode::silent: return;
        }
    }

    void start_head() {
        const auto run = ++run_;  // a hung query starts again, which invalidates its earlier timer
        if (hung_) return;
        const auto reaction = database_.react(host, work_.front().key);
        if (reaction.kind == Reaction::Kind::never) return;
        database_.loop.after(reaction.time, alive_, [this, run, kind = reaction.kind] {
            if (run == run_) end_head(kind);
        });
    }

    void end_head(Reaction::Kind kind) {
        if (closed_ || hung_) return;
        if (kind == Reaction::Kind::breaks || kind == Reaction::Kind::not_serving) {
            break_now(kind == Reaction::Kind::breaks ? FailureClass::lost : FailureClass::not_serving);
            return;
        }
        const auto done = work_.front();
        work_.pop_front();
        if (!work_.empty()) start_head();
        if (done.held && kind == Reaction::Kind::rows) {
            held_.push_back(done);
            return;
        }
        for (const auto& one : std::exchange(held_, {})) tell_rows(one);
        switch (kind) {
            case Reaction::Kind::rows: tell_rows(done); return;
            case Reaction::Kind::query_error:
                observer_.finished(done.token, {nullptr, {FailureClass::query, "bad query"}});
                return;
            case Reaction::Kind::conflict:
                observer_.finished(done.token, {nullptr, {FailureClass::conflict, "gave way"}});
                return;
            case Reaction::Kind::too_large:
                closed_ = true;
                observer_.finished(done.token, {nullptr, too_large()});
                return;
            case Reaction::Kind::resend:
                observer_.finished(done.token, {nullptr, {FailureClass::resend, "in another way"}});
                return;
            default: return;
        }
    }

    void tell_rows(const Work& work) {
        const OneCell rows("value of " + work.key);
        observer_.finished(work.token, {&rows, {}});
    }

    FakeDatabase& database_;
    ConnectionObserver& observer_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    std::deque<Work> work_;
    std::deque<Work> held_;  // finished but not yet reported
    std::size_t served_ = 0;
    bool connected_ = false;
    bool closed_ = false;
    bool dirty_ = false;
    bool hung_ = false;
    int run_ = 0;
};

class FakeDriver final : public Driver {
  public:
    explicit FakeDriver(FakeDatabase& database) : database_(database) {}
    [[nodiscard]] std::unique_ptr<Connection> make_connection(std::size_t host,
                                                              ConnectionObserver& observer) override {
        return std::make_unique<FakeConnection>(database_, host, observer);
    }
    [[nodiscard]] std::string account() const override { return database_.account; }
    [[nodiscard]] bool pipelines() const override { return database_.pipelines; }

  private:
    FakeDatabase& database_;
};

inline std::size_t FakeDatabase::connections_to(std::size_t host) const {
    return static_cast<std::size_t>(std::count_if(connections.begin(), connections.end(),
                                                  [host](const auto* one) { return one->host == host; }));
}

inline void FakeDatabase::break_connections(std::size_t host) {
    const auto all = connections;
    for (auto* one : all) {
        // The end of one may have made the pool close another one.
        if (std::find(connections.begin(), connections.end(), one) == connections.end()) continue;
        if (one->host == host && one->ready()) loop.event([one] { one->break_now(); });
    }
}

inline void FakeDatabase::freeze(std::size_t host) {
    hosts[host].mode = HostMode::silent;
    for (auto* one : connections) {
        if (one->host == host) one->hang();
    }
}

inline void FakeDatabase::thaw(std::size_t host) {
    hosts[host].mode = HostMode::up;
    for (auto* one : connections) {
        if (one->host != host) continue;
        one->hang();  // connections made during the freeze, too
        one->go_on();
    }
}

}  // namespace proxyd::pool
