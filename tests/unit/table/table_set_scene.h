// A set of tables from files in its own directory. Their type has its answers in the table file.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "backends/table/table_set.h"
#include "tests/unit/event/fake_loop.h"

namespace proxyd::table {

using namespace std::chrono_literals;
using protocol::Status;

class EchoRows final : public pool::Rows {
  public:
    explicit EchoRows(std::string value) : value_(std::move(value)) {}
    [[nodiscard]] std::size_t rows() const override { return value_.empty() ? 0 : 1; }
    [[nodiscard]] std::size_t columns() const override { return 1; }
    [[nodiscard]] std::optional<std::string_view> cell(std::size_t, std::size_t) const override {
        return value_;
    }

  private:
    std::string value_;
};

// Answers with the parameter `answer`. With `later` it keeps the callback; with `fails` it fails.
class FakeRunner final : public QueryRunner {
  public:
    FakeRunner(std::string answer, std::vector<pool::OutcomeCallback>& kept)
        : answer_(std::move(answer)), kept_(kept) {}
    void run(std::shared_ptr<const sql::Key>, Deadline, pool::OutcomeCallback&& callback) override {
        if (answer_ == "later") {
            kept_.push_back(std::move(callback));
        } else if (answer_ == "fails") {
            callback({nullptr, {pool::FailureClass::query, "bad"}});
        } else {
            const EchoRows rows(answer_);
            callback({&rows, {}});
        }
    }
    void prepare_only(Deadline, TrialCallback) override {}

  private:
    std::string answer_;
    std::vector<pool::OutcomeCallback>& kept_;
};

class FakeBackend final : public TableBackend {
  public:
    FakeBackend(std::vector<pool::OutcomeCallback>& kept, int& made) : kept_(kept), made_(made) {}
    [[nodiscard]] sql::SqlDialect dialect() const override { return sql::SqlDialect::pgsql; }
    [[nodiscard]] std::vector<std::string_view> parameter_names() const override { return {"answer"}; }
    [[nodiscard]] std::unique_ptr<QueryRunner> make_runner(const std::string&, TableParameters& parameters,
                                                           const SqlDefinition&,
                                                           const TableSettings&) override {
        if (!parameters.errors().empty()) return nullptr;
        ++made_;
        return std::make_unique<FakeRunner>(parameters.text("answer", ""), kept_);
    }

  private:
    std::vector<pool::OutcomeCallback>& kept_;
    int& made_;
};

class TableSetScene : public testing::Test {
  protected:
    TableSetScene() {
        std::string pattern = testing::TempDir() + "proxyd-set-XXXXXX";
        directory = mkdtemp(pattern.data());
        tables.add_backend("fake", std::make_unique<FakeBackend>(kept, made));
    }
    ~TableSetScene() override { std::filesystem::remove_all(directory); }
    TableSetScene(const TableSetScene&) = delete;
    TableSetScene& operator=(const TableSetScene&) = delete;

    std::string write(const std::string& text, const std::string& name = "t.cf") const {
        const auto path = directory + "/" + name;
        std::ofstream(path) << text;
        return "fake:" + path;
    }
    std::string answer(const std::string& name, const std::string& key = "user@example.com") {
        std::string got = "NO ANSWER";
        tables.lookup(name, key, {false, false}, [&](const LookupResult& result) {
            got = result.status == Status::ok      ? result.value
                  : result.status == Status::nokey ? "NOT FOUND"
                  : result.status == Status::retry ? "RETRY"
                                                   : "OTHER";
        });
        return got;
    }
    // Lets so much time pass that a change is seen, and seen as settled.
    void wait_for_looks(const std::string& name) {
        for (int i = 0; i < 3; ++i) {
            loop.advance(1100ms);
            tables.open(name);
        }
    }

    FakeLoop loop;
    std::vector<pool::OutcomeCallback> kept;
    int made = 0;
    TableSet tables{loop, {}};
    std::string directory;
};

inline const std::string ask_a = "query = SELECT '%s'\nanswer = a\n";
inline const std::string ask_b = "query = SELECT '%s'\nanswer = b\n";

}  // namespace proxyd::table
