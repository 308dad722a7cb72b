// The answers of a table that come from its cache, as clients see them.
#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

#include "backends/report/log.h"
#include "proxyd/config/site.h"
#include "tests/unit/table/table_set_scene.h"

namespace proxyd::table {
namespace {

using pool::FailureClass;

// One row for each value. A '|' separates the values.
class ValueRows final : public pool::Rows {
  public:
    explicit ValueRows(const std::string& values) {
        std::istringstream text(values);
        for (std::string value; std::getline(text, value, '|');) values_.push_back(value);
    }
    [[nodiscard]] std::size_t rows() const override { return values_.size(); }
    [[nodiscard]] std::size_t columns() const override { return 1; }
    [[nodiscard]] std::optional<std::string_view> cell(std::size_t row, std::size_t) const override {
        return values_[row];
    }

  private:
    std::vector<std::string> values_;
};

// The answers of the database. With `delayed` they wait for let_go().
struct Script {
    std::map<std::string, std::string> rows;
    std::optional<FailureClass> trouble;
    bool delayed = false;
    std::vector<Callback<void()>> waiting;
    int asked = 0;

    void let_go() {
        for (const auto& answer : std::exchange(waiting, {})) answer();
    }
};

class ScriptedRunner final : public QueryRunner {
  public:
    explicit ScriptedRunner(Script& script) : script_(script) {}
    void run(std::shared_ptr<const sql::Key> key, Deadline, pool::OutcomeCallback&& callback) override {
        ++script_.asked;
        const auto found = script_.rows.find(key->text());
        const auto value = found == script_.rows.end() ? "" : found->second;
        Callback<void()> answer = [value, trouble = script_.trouble, callback = std::move(callback)] {
            const ValueRows rows(value);
            callback(trouble ? pool::Outcome{nullptr, {*trouble, "trouble"}} : pool::Outcome{&rows, {}});
        };
        if (script_.delayed) {
            script_.waiting.push_back(std::move(answer));
        } else {
            answer();
        }
    }
    void prepare_only(Deadline, TrialCallback) override {}

  private:
    Script& script_;
};

class ScriptedBackend final : public TableBackend {
  public:
    explicit ScriptedBackend(Script& script) : script_(script) {}
    [[nodiscard]] sql::SqlDialect dialect() const override { return sql::SqlDialect::pgsql; }
    [[nodiscard]] std::vector<std::string_view> parameter_names() const override { return {}; }
    [[nodiscard]] std::unique_ptr<QueryRunner> make_runner(const std::string&, TableParameters& parameters,
                                                           const SqlDefinition&,
                                                           const TableSettings&) override {
        if (!parameters.errors().empty()) return nullptr;
        return std::make_unique<ScriptedRunner>(script_);
    }

  private:
    Script& script_;
};

// Replaces the process's log while it exists.
class LinesLog final : public Log {
  public:
    LinesLog() { set_log(*this); }
    void write(Severity, std::string_view topic, std::string_view text) override {
        topics.emplace_back(topic);
        lines.emplace_back(text);
    }
    std::vector<std::string> topics;
    std::vector<std::string> lines;
};

class TableCache : public TableSetScene {
  protected:
    TableCache() {
        tables.add_backend("sql", std::make_unique<ScriptedBackend>(script));
        use("");
        script.rows = {{"user@example.com", "one"}, {"User@example.com", "as written"}};
    }

    // Sets the daemon's options, given as lines "name = value".
    void use(const std::string& text) {
        Options options;
        config::ParameterFile file = config::parse_parameters(text, "proxyd.cf");
        EXPECT_TRUE(apply(options, file).empty());
        TableSetOptions now;
        now.settings_for = [options](TableParameters& parameters) {
            return table_settings(options, parameters);
        };
        tables.reload(now);
    }

    std::string table(const std::string& more = "", const std::string& name = "t.cf") const {
        return "sql:" + write("query = SELECT v FROM t WHERE k = '%s'\n" + more, name).substr(5);
    }
    std::string folded(const std::string& name, const std::string& key) {
        std::string got;
        tables.lookup(name, key, {true, true}, [&](const LookupResult& result) { got = result.value; });
        return got;
    }

    LinesLog written;
    Script script;
};

TEST_F(TableCache, IsOffByDefault) {
    const auto name = table();
    EXPECT_EQ(answer(name), "one");
    script.rows.clear();
    EXPECT_EQ(answer(name), "NOT FOUND");
    script.trouble = FailureClass::unreachable;
    EXPECT_EQ(answer(name), "RETRY");
    EXPECT_TRUE(tables.caches().empty());
}

TEST_F(TableCache, AnAnswerIsGivenAgainUntilItIsTooOld) {
    use("cache_ttl = 30s\ncache_negative_ttl = 5s\n");
    const auto name = table();
    EXPECT_EQ(answer(name), "one");
    EXPECT_EQ(answer(name, "other@example.com"), "NOT FOUND");
    script.rows = {{"user@example.com", "two"}, {"other@example.com", "new"}};
    loop.advance(5s);
    EXPECT_EQ(answer(name), "one");
    EXPECT_EQ(answer(name, "other@example.com"), "NOT FOUND");
    EXPECT_EQ(script.asked, 2);
    loop.advance(1s);
    EXPECT_EQ(answer(name, "other@example.com"), "new");
    loop.advance(25s);
    EXPECT_EQ(answer(name), "two");
    ASSERT_EQ(tables.caches().size(), 1U);
    const auto report = tables.caches().front();
    EXPECT_EQ(report.name, name);
    EXPECT_EQ(report.stats.hits, 2U);
    EXPECT_EQ(report.stats.misses, 4U);
    EXPECT_EQ(report.stats.entries, 2U);
}

TEST_F(TableCache, OnlyDefiniteAnswersAreKept) {
    use("cache_ttl = 30s\ncache_negative_ttl = 30s\nstale_ttl = 30s\n");
    const auto name = table();
    for (const auto trouble : {FailureClass::query, FailureClass::unreachable}) {
        script.trouble = trouble;
        EXPECT_EQ(answer(name), "RETRY");
    }
    script.trouble.reset();
    EXPECT_EQ(answer(name), "one");
    EXPECT_EQ(script.asked, 3);

    const auto limited = table("expansion_limit = 1\n", "limited.cf");
    script.rows["user@example.com"] = "one|two";
    EXPECT_EQ(answer(limited), "RETRY");
    script.rows["user@example.com"] = "one";
    EXPECT_EQ(answer(limited), "one");

    // The value is invalid for clients that want UTF-8.
    const auto latin = table("", "latin.cf");
    script.rows["user@example.com"] = "\xfc";
    EXPECT_EQ(answer(latin), "\xfc");
    EXPECT_EQ(folded(latin, "user@example.com"), "");
    script.rows["user@example.com"] = "ü";
    EXPECT_EQ(answer(latin), "ü");
}

TEST_F(TableCache, KeysAreToldApartAsTheTableFoldsThem) {
    use("cache_ttl = 30s\n");
    const auto name = table();
    EXPECT_EQ(folded(name, "USER@Example.com"), "one");
    EXPECT_EQ(folded(name, "user@example.com"), "one");
    EXPECT_EQ(script.asked, 1);
    EXPECT_EQ(answer(name, "User@example.com"), "as written") << "this client folds nothing";
    EXPECT_EQ(script.asked, 2);
}

TEST_F(TableCache, TablesShareNothing) {
    use("cache_ttl = 30s\n");
    const auto first = table();
    const auto second = table("", "second.cf");
    EXPECT_EQ(answer(first), "one");
    script.rows["user@example.com"] = "two";
    EXPECT_EQ(answer(second), "two");
    EXPECT_EQ(answer(first), "one");
}

TEST_F(TableCache, ATableFileHasTheLastWord) {
    use("cache_ttl = 30s\ncache_size = 100\n");
    const auto off = table("cache_ttl = 0\n");
    const auto small = table("cache_size = 1\n", "small.cf");
    EXPECT_EQ(answer(off), "one");
    EXPECT_EQ(answer(small), "one");
    EXPECT_EQ(answer(small, "User@example.com"), "as written");
    script.rows = {{"user@example.com", "two"}, {"User@example.com", "two"}};
    EXPECT_EQ(answer(off), "two");
    EXPECT_EQ(answer(small, "User@example.com"), "as written");
    EXPECT_EQ(answer(small), "two") << "had to make room";
    EXPECT_EQ(tables.caches().size(), 1U);
}

TEST_F(TableCache, AChangedTableFileForgetsAll) {
    use("cache_ttl = 1h\nstale_ttl = 1h\n");
    const auto name = table();
    EXPECT_EQ(answer(name), "one");
    script.rows["user@example.com"] = "two";
    (void)table("result_format = <%s>\n");
    wait_for_looks(name);
    EXPECT_EQ(answer(name), "<two>");
    (void)table("result_format = (%s)\n");
    wait_for_looks(name);
    script.trouble = FailureClass::unreachable;
    EXPECT_EQ(answer(name), "RETRY");
}

TEST_F(TableCache, AQueryThatMayWriteIsAlwaysAsked) {
    use("cache_ttl = 1h\nstale_ttl = 1h\n");
    const auto name = "sql:" + write("query = UPDATE t SET n = n + 1 WHERE k = '%s' RETURNING v\n").substr(5);
    EXPECT_EQ(answer(name), "one");
    EXPECT_EQ(answer(name), "one");
    EXPECT_EQ(script.asked, 2);
    script.trouble = FailureClass::unreachable;
    EXPECT_EQ(answer(name), "RETRY");
    EXPECT_TRUE(tables.caches().empty());
    EXPECT_TRUE(tables.inspect(name).warnings.empty());
}

TEST_F(TableCache, KeepingAnswersOfAQueryThatMayWriteIsWarnedOf) {
    const auto name =
        "sql:" + write("query = DELETE FROM t WHERE k = '%s' RETURNING v\ncache_ttl = 1h\n").substr(5);
    const auto warnings = tables.inspect(name).warnings;
    ASSERT_EQ(warnings.size(), 1U);
    EXPECT_NE(warnings.front().find("line 2: cache_ttl has no effect here"), std::string::npos)
        << warnings.front();
}

TEST_F(TableCache, TheLastKnownAnswerIsForTroubleWithTheHostsAlone) {
    use("stale_ttl = 60s\n");
    const auto name = table();
    EXPECT_EQ(answer(name), "one");
    EXPECT_EQ(answer(name, "other@example.com"), "NOT FOUND");
    EXPECT_EQ(answer(name), "one");
    EXPECT_EQ(script.asked, 3) << "while it answers, the database is asked";
    for (const auto trouble :
         {FailureClass::lost, FailureClass::unreachable, FailureClass::too_many_connections}) {
        script.trouble = trouble;
        EXPECT_EQ(answer(name), "one");
        EXPECT_EQ(answer(name, "other@example.com"), "NOT FOUND");
        EXPECT_EQ(answer(name, "new@example.com"), "RETRY");
    }
    for (const auto trouble : {FailureClass::query, FailureClass::configuration}) {
        script.trouble = trouble;
        EXPECT_EQ(answer(name), "RETRY");
    }
    script.trouble = FailureClass::unreachable;
    loop.advance(61s);
    EXPECT_EQ(answer(name), "RETRY");
    EXPECT_EQ(tables.caches().front().stats.stale, 6U);
}

TEST_F(TableCache, TheLogSaysThatAnAnswerIsStale) {
    use("stale_ttl = 60s\n");
    const auto name = table();
    EXPECT_EQ(answer(name), "one");
    loop.advance(10s);
    script.trouble = FailureClass::unreachable;
    written.lines.clear();
    written.topics.clear();
    EXPECT_EQ(answer(name), "one");
    EXPECT_EQ(answer(name), "one");
    ASSERT_EQ(written.lines.size(), 2U);
    EXPECT_NE(written.lines[0].find("trouble -- the last known answer is given (stale_ttl), 10 s old"),
              std::string::npos)
        << written.lines[0];
    EXPECT_EQ(written.topics[0], written.topics[1]) << "so that the second is counted instead of written";
    EXPECT_FALSE(written.topics[0].empty());
}

TEST_F(TableCache, FlushOfATableOrAKey) {
    use("cache_ttl = 1h\n");
    const auto first = table();
    const auto second = table("", "second.cf");
    for (const auto& name : {first, second}) {
        (void)answer(name);
        (void)answer(name, "User@example.com");
        (void)folded(name, "USER@EXAMPLE.COM");
    }
    script.rows = {{"user@example.com", "two"}, {"User@example.com", "two"}};
    EXPECT_EQ(tables.flush(first, "USER@example.com"), 1U) << "kept folded";
    EXPECT_EQ(answer(first), "two");
    EXPECT_EQ(answer(first, "User@example.com"), "as written");
    EXPECT_EQ(tables.flush(first, {}), 2U);
    EXPECT_EQ(answer(first, "User@example.com"), "two");
    EXPECT_EQ(answer(second), "one");
    EXPECT_EQ(tables.flush("unionmap:{" + first + "," + second + "}", {}), 3U);
    EXPECT_EQ(answer(second), "two");
    EXPECT_EQ(tables.flush(), 1U);
    EXPECT_TRUE(tables.is_open(second));
    EXPECT_FALSE(tables.is_open("sql:/never/asked"));
    EXPECT_EQ(tables.flush("sql:/never/asked", {}), 0U);
    (void)answer(first);
    EXPECT_EQ(tables.flush("unionmap:{" + first + ",sql:/never/asked}", {}), 1U);
    (void)answer(first);
    EXPECT_EQ(tables.flush("unionmap:{" + first + ",hash:/of/the/stock/server}", {}), 1U);
    EXPECT_FALSE(tables.is_open("sql:/never/asked"));
    EXPECT_TRUE(tables.troubles().empty()) << "what is flushed is not opened";
}

TEST_F(TableCache, WhatWasAskedBeforeAFlushIsNotKept) {
    use("cache_ttl = 1h\n");
    const auto name = table();
    script.delayed = true;
    std::string got;
    tables.lookup(name, "user@example.com", {}, [&](const LookupResult& result) { got = result.value; });
    script.rows["user@example.com"] = "two";
    EXPECT_EQ(tables.flush(name, {}), 0U);
    script.let_go();
    EXPECT_EQ(got, "one");
    script.delayed = false;
    EXPECT_EQ(answer(name), "two");
}

}  // namespace
}  // namespace proxyd::table
