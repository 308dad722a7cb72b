// The servers that a `hosts` item means, and the meaning of PostgreSQL's errors.
#include "backends/pgsql/cluster.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "backends/pgsql/connector.h"
#include "backends/pgsql/error_class.h"
#include "backends/pgsql/server_memory.h"
#include "backends/pgsql/statement.h"

namespace proxyd::pgsql {
namespace {

using pool::FailureClass;

struct HostRow {
    const char* item;
    int rank;
    const char* resolve;  // the host name to resolve
    const char* host;
    const char* port;
};

class Hosts : public testing::TestWithParam<HostRow> {};

TEST_P(Hosts, AreReadAsPostfixDoes) {
    const auto& row = GetParam();
    const ClusterIdentity cluster{{row.item}, "joe", "pw", "maps", "UTF8"};
    std::string error;
    const auto found = endpoints(cluster, row.item, error);
    ASSERT_EQ(found.size(), 1U) << row.item << ": " << error;
    const auto value = [&](const char* keyword) {
        const auto at = found[0].parameters.find(keyword);
        return at == found[0].parameters.end() ? std::string() : at->second;
    };
    EXPECT_EQ(host_info(row.item).rank, row.rank) << row.item;
    EXPECT_EQ(found[0].host, row.resolve) << row.item;
    EXPECT_EQ(value("host"), row.host) << row.item;
    EXPECT_EQ(value("port"), row.port) << row.item;
    EXPECT_EQ(value("client_encoding"), "UTF8");
    if (row.rank < 2) {
        EXPECT_EQ(value("user"), "joe");
        EXPECT_EQ(value("password"), "pw");
        EXPECT_EQ(value("dbname"), "maps");
    } else {
        EXPECT_EQ(value("password"), "") << "a URI speaks for itself";
    }
}

// Tables share the connections of one server, however their files spell it.
TEST(CanonicalTest, EachServerHasOneSpelling) {
    const auto canonical_hosts = [](std::vector<std::string> hosts, const std::string& dbname = "maps") {
        return canonical({std::move(hosts), "joe", "pw", dbname, "UTF8"}).hosts;
    };
    const std::vector<std::string> expected{"127.0.0.1:5432"};
    for (const auto* spelling :
         {"127.0.0.1", "127.0.0.1:5432", "inet:127.0.0.1", "inet:127.0.0.1:5432", "127.0.0.1:"})
        EXPECT_EQ(canonical_hosts({spelling}), expected) << spelling;
    EXPECT_EQ(canonical_hosts({"DB.Example"}), canonical_hosts({"db.example:5432"}));
    EXPECT_NE(canonical_hosts({"db.example:5433"}), canonical_hosts({"db.example:5432"}));
    EXPECT_NE(canonical_hosts({"localhost"}), canonical_hosts({"127.0.0.1"}))
        << "a name is asked of the resolver";
    EXPECT_EQ(canonical_hosts({"unix:/run/pg"}), canonical_hosts({"/run/pg"}));
    EXPECT_NE(canonical_hosts({"/run/PG"}), canonical_hosts({"/run/pg"}));
    EXPECT_EQ(canonical_hosts({"b", "a"}), canonical_hosts({"a", "b:5432"}));
    EXPECT_NE(canonical_hosts({"a", "a"}), canonical_hosts({"a"}));
    const std::string uri = "postgresql://DB.example/maps";
    EXPECT_EQ(canonical_hosts({uri}), std::vector<std::string>{uri});
    // The port may stand in dbname.
    EXPECT_EQ(canonical_hosts({"db"}, "dbname=maps port=5433"), std::vector<std::string>{"db"});
    EXPECT_EQ(canonical_hosts({"inet:db"}, "dbname=maps port=5433"), std::vector<std::string>{"db"});
}

INSTANTIATE_TEST_SUITE_P(
    Items, Hosts,
    testing::Values(HostRow{"localhost", 1, "localhost", "localhost", ""},
                    HostRow{"localhost:5433", 1, "localhost", "localhost", "5433"},
                    HostRow{"127.0.0.1", 1, "127.0.0.1", "127.0.0.1", ""},
                    HostRow{"inet:db.example.com:6000", 1, "db.example.com", "db.example.com", "6000"},
                    HostRow{"/run/postgresql", 0, "", "/run/postgresql", ""},
                    HostRow{"unix:/run/postgresql", 0, "", "/run/postgresql", ""},
                    HostRow{"inet:/run/postgresql", 0, "", "/run/postgresql", ""},
                    HostRow{"/run/with:colon", 0, "", "/run/with:colon", ""}, HostRow{"unix:", 0, "", "", ""},
                    HostRow{"unix:db.example.com", 1, "db.example.com", "db.example.com", ""},
                    HostRow{"postgresql://h:99/db", 2, "h", "h", "99"},
                    HostRow{"postgres://u@h/db", 2, "h", "h", ""},
                    HostRow{"postgresql://[::1]:7/db", 2, "::1", "::1", "7"},
                    HostRow{"postgresql:///db?host=/tmp&port=3", 2, "", "/tmp", "3"},
                    HostRow{"postgresql://h/db?hostaddr=192.0.2.1", 2, "", "h", ""}));

TEST(Cluster, RefusesWhatCannotBeRead) {
    for (const auto* item : {"foo://joe:s3cr3t@h/db", "postgresql://joe:s3cr3t@h:port/db",
                             "postgresql://h/?nosuch=1", "h:http", "h:0", "h:65536", "h:12x"}) {
        std::string error;
        EXPECT_TRUE(endpoints({{item}, "", "", "db", "UTF8"}, item, error).empty()) << item;
        EXPECT_FALSE(error.empty()) << item;
        EXPECT_EQ(error.find("s3cr3t"), std::string::npos) << error;
    }
}

TEST(Cluster, TheDatabaseNameMayBeConnectionText) {
    std::string error;
    auto found = endpoints(
        {{"h"}, "joe", "", "dbname=maps connect_timeout=5 sslmode=require user=other", "UTF8"}, "h", error);
    ASSERT_EQ(found.size(), 1U) << error;
    EXPECT_EQ(found[0].parameters["dbname"], "maps");
    EXPECT_EQ(found[0].parameters["connect_timeout"], "5");
    EXPECT_EQ(found[0].parameters["sslmode"], "require");
    EXPECT_EQ(found[0].parameters["user"], "joe") << "the table's parameter wins";
    found = endpoints({{"unix:"}, "", "", "host=a,b,/tmp port=1,2,3 dbname=maps", "UTF8"}, "unix:", error);
    ASSERT_EQ(found.size(), 3U);
    EXPECT_EQ(found[0].host, "a");
    EXPECT_EQ(found[1].parameters["port"], "2");
    EXPECT_EQ(found[2].host, "");
    EXPECT_EQ(found[2].parameters["host"], "/tmp");
    EXPECT_TRUE(endpoints({{"h"}, "", "", "dbname=maps password='s3cr3t", "UTF8"}, "h", error).empty());
    EXPECT_EQ(error.find("s3cr3t"), std::string::npos) << error;
}

TEST(Cluster, LabelsHideThePassword) {
    EXPECT_EQ(host_info("postgresql://joe:s3cr3t@h/db").label, "postgresql://joe:***@h/db");
    EXPECT_EQ(host_info("127.0.0.1:5432").label, "127.0.0.1:5432");
}

TEST(Cluster, UrisByTheirScheme) {
    for (const auto* item : {"postgresql://h", "postgres://", "a+b-c1://x", "x://"})
        EXPECT_TRUE(is_uri(item)) << item;
    for (const auto* item : {"://", "1a://h", "h:5432", "", "unix:/a://b", "a_b://c"})
        EXPECT_FALSE(is_uri(item)) << item;
}

TEST(ErrorClass, ByPhase) {
    struct Row {
        const char* code;
        FailureClass connecting;
        FailureClass querying;
    };
    const Row rows[] = {
        {"53300", FailureClass::too_many_connections, FailureClass::query},
        {"28P01", FailureClass::configuration, FailureClass::query},
        {"28000", FailureClass::configuration, FailureClass::query},
        {"3D000", FailureClass::configuration, FailureClass::query},
        {"42501", FailureClass::configuration, FailureClass::query},
        {"22023", FailureClass::configuration, FailureClass::query},
        {"57P01", FailureClass::unreachable, FailureClass::lost},
        {"57P02", FailureClass::unreachable, FailureClass::lost},
        {"57P03", FailureClass::unreachable, FailureClass::lost},
        {"57P04", FailureClass::configuration, FailureClass::lost},
        {"57P05", FailureClass::unreachable, FailureClass::lost},
        {"57014", FailureClass::unreachable, FailureClass::query},
        {"08006", FailureClass::unreachable, FailureClass::lost},
        {"25P03", FailureClass::unreachable, FailureClass::lost},
        {"42P01", FailureClass::configuration, FailureClass::query},
        {"40001", FailureClass::unreachable, FailureClass::conflict},
        {"40P01", FailureClass::unreachable, FailureClass::conflict},
        {"XX000", FailureClass::unreachable, FailureClass::query},
        {"", FailureClass::unreachable, FailureClass::lost},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(classify(row.code, Phase::connecting), row.connecting) << row.code;
        EXPECT_EQ(classify(row.code, Phase::querying), row.querying) << row.code;
    }
}

TEST(ErrorClass, Remedies) {
    EXPECT_EQ(remedy("26000", "", false), Remedy::without_prepare);
    EXPECT_EQ(remedy("42P05", "", true), Remedy::without_prepare);
    EXPECT_EQ(remedy("0A000", "", false), Remedy::prepare_again);
    for (const auto* code : {"42P18", "42804", "42883", "42725", "42601", "42P08", "0A000"}) {
        EXPECT_EQ(remedy(code, "", true), Remedy::as_text) << code;
    }
    // These would fail as text, too. Another attempt would cost every lookup a round trip.
    for (const auto* code : {"42P01", "42501", "42703"})
        EXPECT_EQ(remedy(code, "", true), Remedy::none) << code;
    EXPECT_EQ(remedy("22012", "", false), Remedy::none);
    EXPECT_EQ(remedy("0A000", "RevalidateCachedQuery", false), Remedy::prepare_again);
    EXPECT_EQ(remedy("26000", "FetchPreparedStatement", false), Remedy::without_prepare);
    for (const auto* code : {"0A000", "26000", "42P05"})
        EXPECT_EQ(remedy(code, "exec_stmt_raise", false), Remedy::none) << code;
    EXPECT_EQ(remedy("42601", "", false), Remedy::none);
}

TEST(ConnectErrorText, KeepsTheServersWordsAndHidesPasswords) {
    std::string code;
    EXPECT_EQ(
        connect_error_text(
            "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  53300: sorry, too many "
            "clients already\nLOCATION:  InitProcess, proc.c:361\n",
            code),
        "connection to server at \"127.0.0.1\", port 5432 failed: FATAL: sorry, too many clients already");
    EXPECT_EQ(code, "53300");
    code.clear();
    EXPECT_EQ(connect_error_text("could not connect:\nno route\n", code), "could not connect: no route");
    EXPECT_EQ(
        connect_error_text("a failed: Connection refused\n\tIs the server running on that host and accepting "
                           "TCP/IP connections?\nb failed: no route\n\tIs the server running?\n",
                           code),
        "a failed: Connection refused; b failed: no route");
    EXPECT_EQ(code, "");
    EXPECT_EQ(connect_error_text("", code), "");
    EXPECT_EQ(connect_error_text("FATAL:  x", code), "FATAL: x");
    EXPECT_EQ(connect_error_text("bad postgresql://joe:s3cr3t@h/db", code).find("s3cr3t"), std::string::npos);
}

TEST(ServerMemory, ServersThatAreSilentComeLast) {
    const std::string uri = "postgresql://a,b,c/mail";
    std::string error;
    const auto servers = endpoints({{uri}, "", "", "", "UTF8"}, uri, error);
    ASSERT_EQ(servers.size(), 3U) << error;
    ServerMemory memory;
    const auto order = [&] {
        std::string names;
        for (const auto& one : memory.in_order(uri, servers)) names += one.host;
        return names;
    };
    EXPECT_EQ(order(), "abc");
    memory.failed(uri, servers[0]);
    EXPECT_EQ(order(), "bca");
    memory.failed(uri, servers[1]);
    EXPECT_EQ(order(), "cab");
    memory.failed("postgresql://c/other", servers[2]);
    EXPECT_EQ(order(), "cab");
    memory.worked(uri, servers[0]);
    EXPECT_EQ(order(), "acb");
}

// The messages are those of libpq 15 to 18.
TEST(ErrorClass, ARoleThatIsNotAskedForIsRecognised) {
    for (const auto* role : {"session is read-only", "session is not read-only",
                             "server is in hot standby mode", "server is not in hot standby mode"}) {
        EXPECT_TRUE(is_other_role(std::string("connection to server at \"h\", port 5432 failed: ") + role));
    }
    EXPECT_FALSE(is_other_role("connection to server at \"h\", port 5432 failed: Connection refused"));
}

TEST(StatementName, StandsForOneText) {
    const auto make = [](const char* text) {
        std::string error;
        const auto parsed = *sql::parse_template(text, error);
        return Statement(parsed, sql::analyse(parsed, sql::SqlDialect::pgsql), true);
    };
    const auto one = make("SELECT '%s'");
    EXPECT_EQ(one.path(), Path::prepared);
    EXPECT_EQ(one.server_name(), make("SELECT '%s'").server_name());
    EXPECT_NE(one.server_name(), make("SELECT  '%s'").server_name());
    EXPECT_LT(one.server_name().size(), 64U) << "PostgreSQL cuts longer names";
    EXPECT_EQ(make("SELECT %s").path(), Path::text);
    EXPECT_TRUE(make("SELECT %s").exclusive());
}

TEST(PgsqlErrorClass, WhatPgHbaConfAsksFor) {
    const std::string refused =
        "FATAL: no pg_hba.conf entry for host \"192.0.2.1\", user \"mail\", database \"mail\", ";
    EXPECT_NE(hint("28000", refused + "no encryption").find("hostssl"), std::string_view::npos);
    EXPECT_NE(hint("28000", refused + "SSL off").find("hostssl"), std::string_view::npos);
    EXPECT_NE(hint("28000", refused + "SSL encryption").find("must let this user in"),
              std::string_view::npos);
    EXPECT_EQ(hint("28P01", "password authentication failed for user \"mail\""), "");
}

}  // namespace
}  // namespace proxyd::pgsql
