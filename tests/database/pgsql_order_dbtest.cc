// A server, or a middle man, whose answers do not belong to the queries: nobody is given one of them.
#include <deque>
#include <functional>

#include "tests/database/loop_server.h"
#include "tests/database/pgsql_scene.h"
#include "tests/database/willing_postgres.h"

// libpq 15 loses the rows that it has begun to read when the end of their answer is missing: some kilobytes
// of a connection that is closed for it.
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)
extern "C" const char* __lsan_default_suppressions();
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)
extern "C" const char* __lsan_default_suppressions() {
    return "leak:PQisBusy";
}

namespace proxyd {
namespace {

using Answer = WillingPostgres::Answer;

class PgsqlOrder : public TableScene {
  protected:
    void SetUp() override {
        settings.pool_size = 1;
        tables->add_backend("pgsql", std::make_unique<pgsql::TableBackend>(loop, resolver));
        server =
            std::make_unique<LoopServer>(loop, "", [this](const auto& heard) { return postgres(heard); });
    }

    std::string table(const std::string& query = "SELECT v FROM t WHERE k = '%s'",
                      const std::string& name = "t.cf") {
        return "pgsql:" +
               write(name, fmt::format("hosts = postgresql://postgres@127.0.0.1:{}/db?sslmode=disable&"
                                       "gssencmode=disable\nquery = {}\n",
                                       server->port, query));
    }

    // Asks together, so that one transaction holds all of them, and expects the right answers.
    void expect_right(const std::string& name, const std::vector<std::string>& keys) {
        std::vector<std::shared_ptr<Lookup>> all;
        for (const auto& key : keys) all.push_back(start(name, key));
        EXPECT_TRUE(run_until([&] {
            return std::all_of(all.begin(), all.end(), [](const auto& one) { return one->answers > 0; });
        }));
        for (std::size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(shown(*all[i]), keys[i]) << recorded.text();
    }

    // How many connections were closed because of one.
    [[nodiscard]] std::size_t signs() const {
        const auto text = recorded.text();
        std::size_t count = 0;
        for (auto at = text.find(sign); at != std::string::npos; at = text.find(sign, at + 1)) ++count;
        return count;
    }
    void expect_renewed() {
        EXPECT_EQ(server->clients(), 2U);
        EXPECT_EQ(signs(), 1U) << recorded.text();
        EXPECT_NE(recorded.text().find("lookups are asked again"), std::string::npos) << recorded.text();
    }

    static constexpr const char* sign = "answers do not fit the queries: ";
    WillingPostgres postgres;
    std::unique_ptr<LoopServer> server;
};

// As a pooler does that lets everybody in from what it remembers.
TEST_F(PgsqlOrder, AServerThatTellsOnlyAfterTheLoginThatItIsAway) {
    int told = 0;
    postgres.ready = [&told] {
        constexpr char why[] = "SFATAL\0VFATAL\0C08P01\0Mserver login has been failing\0";
        return told++ < 2 ? WillingPostgres::message('E', std::string(why, sizeof why))
                          : WillingPostgres::message('Z', "I");
    };
    EXPECT_EQ(answer(table(), "1"), "1");
    EXPECT_EQ(signs(), 0U) << recorded.text();
    EXPECT_NE(recorded.text().find("server login has been failing"), std::string::npos) << recorded.text();
}

struct Spoilt {
    const char* name;
    std::string (*say)(const Answer& answer);
};

// The answer to the second of three queries is spoilt, once.
class PgsqlSpoilt : public PgsqlOrder, public testing::WithParamInterface<std::tuple<Spoilt, int>> {};

TEST_P(PgsqlSpoilt, AnswersAreAskedForAgain) {
    const auto& [spoilt, type] = GetParam();
    postgres.type = type;
    const auto name = table();
    expect_right(name, {"1"});
    bool once = false;
    postgres.say = [&once, say = spoilt.say](const std::string& key, const Answer& answer) {
        return key == "3" && !std::exchange(once, true) ? say(answer) : answer.whole();
    };
    expect_right(name, {"2", "3", "4"});
    expect_renewed();
}

std::string other_name(const Answer& answer) {
    auto columns = answer.columns;
    columns[columns.find('v')] = 'w';
    return answer.bound + columns + answer.row + answer.end;
}
std::string longer_than_it_says(const Answer& answer) {
    return answer.bound + answer.columns + WillingPostgres::message('D', std::string("\0\1\0\0\0\x09z", 7)) +
           answer.end;
}

const Spoilt spoilt[] = {
    {"RowSwallowed", [](const Answer& a) { return a.bound + a.columns + a.end; }},
    {"RowRepeated", [](const Answer& a) { return a.bound + a.columns + a.row + a.row + a.end; }},
    {"EndSwallowed", [](const Answer& a) { return a.bound + a.columns + a.row; }},
    {"EndRepeated", [](const Answer& a) { return a.whole() + a.end; }},
    {"ColumnsSwallowed", [](const Answer& a) { return a.bound + a.row + a.end; }},
    {"ColumnsRepeated", [](const Answer& a) { return a.bound + a.columns + a.columns + a.row + a.end; }},
    {"ColumnsAndRowSwallowed", [](const Answer& a) { return a.bound + a.end; }},
    {"AllSwallowed", [](const Answer&) { return std::string(); }},
    {"AllRepeated", [](const Answer& a) { return a.whole() + a.whole(); }},
    {"SyncAhead", [](const Answer& a) { return a.whole() + WillingPostgres::message('Z', "I"); }},
    {"OtherColumns", other_name},
    {"UnknownMessage",
     [](const Answer& a) { return a.bound + WillingPostgres::message('!', "") + a.row + a.end; }},
    {"LengthsDisagree", longer_than_it_says},
    {"NoMessage", [](const Answer&) { return std::string("HTTP/1.1 400 Bad Request\r\n\r\n"); }},
};

INSTANTIATE_TEST_SUITE_P(
    Each, PgsqlSpoilt,
    testing::Combine(testing::ValuesIn(spoilt),
                     testing::Values(WillingPostgres::text_type, WillingPostgres::int_type)),
    [](const auto& one) {
        return std::get<0>(one.param).name +
               std::string(std::get<1>(one.param) == WillingPostgres::text_type ? "OfText" : "OfNumbers");
    });

// The next answer comes before the end of the last transaction.
TEST_F(PgsqlOrder, ASyncThatIsMissingEndsTheConnection) {
    const auto one = table();
    const auto other = table("SELECT v FROM u WHERE k = '%s'", "u.cf");
    expect_right(one, {"1"});
    expect_right(other, {"2"});
    bool once = false;
    postgres.ready = [&once] {
        return std::exchange(once, true) ? WillingPostgres::message('Z', "I") : std::string();
    };
    const auto first = start(one, "3");
    const auto second = start(other, "4");
    EXPECT_TRUE(run_until([&] { return first->answers + second->answers == 2; }));
    EXPECT_EQ(shown(*first), "3");
    EXPECT_EQ(shown(*second), "4");
    expect_renewed();
}

TEST_F(PgsqlOrder, APreparationWithoutItsEndEndsTheConnection) {
    int count = 0;
    postgres.prepared = [&count] { return ++count == 1 ? std::string() : WillingPostgres::message('1', ""); };
    postgres.described = [&] {
        return (count > 1 ? WillingPostgres::message('t', std::string(2, '\0')) : std::string()) +
               postgres.columns(0);
    };
    expect_right(table(), {"1"});
    expect_renewed();
}

// The answer before the last one once more, when the next query is asked already: only the format tells.
TEST_F(PgsqlOrder, AnAnswerThatIsReplayedIsNotTakenForTheNext) {
    const auto name = table();
    expect_right(name, {"1"});
    std::string last;
    bool once = false;
    postgres.say = [&](const std::string& key, const Answer& answer) {
        const auto before = std::exchange(last, answer.whole());
        return key == "3" && !std::exchange(once, true) ? before : answer.whole();
    };
    expect_right(name, {"2"});
    expect_right(name, {"3"});
    expect_renewed();
}

// While nothing is asked.
TEST_F(PgsqlOrder, WhatNobodyAskedForEndsTheConnection) {
    const auto name = table();
    const auto whole = postgres.answer("surplus", 0).whole() + WillingPostgres::message('Z', "I");
    std::size_t clients = 0;
    for (const auto& surplus : {WillingPostgres::message('Z', "I"), whole, whole.substr(0, 3)}) {
        expect_right(name, {"1"});
        EXPECT_EQ(server->clients(), ++clients);
        server->say(surplus);
        EXPECT_TRUE(run_until([&] { return signs() == clients; })) << recorded.text();
        expect_right(name, {"2"});
        EXPECT_EQ(server->clients(), clients + 1);
    }
}

// It is there when the next query would be sent, and the loop has not looked yet.
TEST_F(PgsqlOrder, WhatWaitsBeforeAQueryIsNotItsAnswer) {
    postgres.type = WillingPostgres::int_type;
    const auto name = table();
    expect_right(name, {"1"});
    server->say(postgres.answer("9", 0).whole() + WillingPostgres::message('Z', "I"));
    server->wait_for_arrival();
    expect_right(name, {"2"});
    EXPECT_EQ(server->clients(), 2U);
}

// Behind the last answer, in the same bytes: that answer is in doubt.
TEST_F(PgsqlOrder, WhatStandsBehindAnAnswerEndsTheConnection) {
    const auto name = table();
    expect_right(name, {"1"});
    int count = 0;
    postgres.ready = [&] {
        return WillingPostgres::message('Z', "I") +
               (++count == 1 ? postgres.answer("surplus", 0).whole() : std::string());
    };
    expect_right(name, {"2"});
    expect_renewed();
}

}  // namespace
}  // namespace proxyd
