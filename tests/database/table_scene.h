// Tables from files in a directory of their own, asked through the real loop.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "backends/event/event_loop.h"
#include "backends/event/resolver.h"
#include "backends/report/log.h"
#include "backends/table/table_set.h"

namespace proxyd {

using namespace std::chrono_literals;
using protocol::Status;

class RecordingLog final : public Log {
  public:
    RecordingLog() { set_log(*this); }
    void write(Severity, std::string_view, std::string_view text) override {
        const std::lock_guard lock(mutex_);
        text_ += std::string(text) + "\n";
    }
    [[nodiscard]] std::string text() const {
        const std::lock_guard lock(mutex_);
        return text_;
    }

  private:
    mutable std::mutex mutex_;
    std::string text_;
};

// One lookup on its way.
struct Lookup {
    int answers = 0;
    Status status = Status::bad;
    std::string value;
    Duration took{};
};

class TableScene : public testing::Test {
  protected:
    TableScene() {
        std::string pattern = testing::TempDir() + "proxyd-db-XXXXXX";
        directory = mkdtemp(pattern.data());
        tables = std::make_unique<table::TableSet>(loop, options());
    }
    ~TableScene() override { std::filesystem::remove_all(directory); }
    TableScene(const TableScene&) = delete;
    TableScene& operator=(const TableScene&) = delete;

    table::TableSetOptions options() {
        table::TableSetOptions result;
        result.settings_for = [this](table::TableParameters&) { return settings; };
        return result;
    }

    // Tables are read again at their next use.
    void reload() { tables->reload(options()); }

    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(directory + "/" + name) << text;
        return directory + "/" + name;
    }

    std::shared_ptr<Lookup> start(const std::string& table, const std::string& key) {
        auto lookup = std::make_shared<Lookup>();
        const auto begin = Clock::now();
        tables->lookup(table, key, {false, false}, [lookup, begin](const table::LookupResult& result) {
            ++lookup->answers;
            lookup->status = result.status;
            lookup->value = result.value;
            lookup->took = Clock::now() - begin;
        });
        return lookup;
    }

    // Runs the loop until the condition holds, or for that long.
    template <typename Condition>
    bool run_until(Condition&& condition, Duration limit = 15s) {
        const auto end = Clock::now() + limit;
        bool held = false;
        std::unique_ptr<Timer> timer;
        timer = loop.make_timer([&] {
            held = condition();
            if (held || Clock::now() >= end) {
                loop.stop();
            } else {
                timer->start(1ms);
            }
        });
        timer->start(0ms);
        loop.run();
        return held;
    }
    void run_for(Duration duration) {
        (void)run_until([] { return false; }, duration);
    }

    Lookup ask(const std::string& table, const std::string& key) {
        const auto lookup = start(table, key);
        EXPECT_TRUE(run_until([&] { return lookup->answers > 0; })) << "no answer";
        return *lookup;
    }

    // "value" when it was found, else the status: what a row of a test table says.
    std::string answer(const std::string& table, const std::string& key) { return shown(ask(table, key)); }
    static std::string shown(const Lookup& lookup) {
        switch (lookup.status) {
            case Status::ok: return lookup.value;
            case Status::nokey: return "NOT FOUND";
            case Status::retry: return "RETRY";
            default: return "OTHER";
        }
    }

    // What a check of the table's query came to: "fine", "not tried", or what the database said.
    std::string check(const std::string& table) {
        const auto read = tables->inspect(table).table;
        if (!read) return "unusable";
        std::optional<table::Trial> result;
        read->runner().prepare_only({Clock::now() + 5s}, [&](const table::Trial& got) { result = got; });
        EXPECT_TRUE(run_until([&] { return result.has_value(); })) << "no answer";
        if (!result) return "";
        if (result->failure) return result->failure->message;
        return result->not_tried.empty() ? "fine" : "not tried: " + result->not_tried;
    }

    RecordingLog recorded;
    EventLoop loop;
    Resolver resolver{loop};
    table::TableSettings settings;
    std::unique_ptr<table::TableSet> tables;
    std::string directory;
};

}  // namespace proxyd
