// The meaning of error numbers of MySQL, MariaDB and their client library.
#include "backends/mysql/error_class.h"

#include <gtest/gtest.h>

namespace proxyd::mysql {
namespace {

using pool::FailureClass;

TEST(MysqlErrorClass, Numbers) {
    struct Row {
        unsigned number;
        FailureClass connecting;
        FailureClass querying;
    };
    const Row rows[] = {
        {1040, FailureClass::too_many_connections, FailureClass::query},
        {1045, FailureClass::configuration, FailureClass::query},
        {1047, FailureClass::not_serving, FailureClass::not_serving},
        {1053, FailureClass::unreachable, FailureClass::lost},
        {1064, FailureClass::unreachable, FailureClass::query},
        {1146, FailureClass::unreachable, FailureClass::query},
        {1213, FailureClass::unreachable, FailureClass::conflict},
        {1969, FailureClass::unreachable, FailureClass::query},
        {3024, FailureClass::unreachable, FailureClass::query},
        {4151, FailureClass::configuration, FailureClass::query},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(classify(row.number, Phase::connecting, {}), row.connecting) << row.number;
        EXPECT_EQ(classify(row.number, Phase::querying, {}), row.querying) << row.number;
    }
}

TEST(MysqlErrorClass, OfTheAccount) {
    for (const unsigned number : {1820U, 1862U, 3118U, 4151U}) {
        EXPECT_TRUE(is_of_account(number)) << number;
        EXPECT_EQ(classify(number, Phase::connecting, {}), FailureClass::configuration) << number;
        EXPECT_NE(hint(number, {}), "") << number;
    }
    EXPECT_FALSE(is_of_account(1226));  // max_user_connections: a connection will become free
    EXPECT_EQ(classify(1226, Phase::connecting, {}), FailureClass::too_many_connections);
}

TEST(MysqlErrorClass, FunctionsThatBecameAComponent) {
    for (const auto* said : {"FUNCTION mail.md5 does not exist", "FUNCTION mail.SHA1 does not exist",
                             "FUNCTION mail.sha does not exist"})
        EXPECT_NE(hint(1305, said).find("component_classic_hashing"), std::string_view::npos) << said;
    EXPECT_NE(hint(1370, "execute command denied to user 'm'@'%' for routine 'mail.MD5'"), "");
    EXPECT_EQ(hint(1370, "execute command denied to user 'm'@'%' for routine 'mail.md5_of'"), "");
    for (const auto* said : {"FUNCTION mail.md5_of does not exist", "PROCEDURE mail.lookup does not exist"})
        EXPECT_EQ(hint(1305, said), "") << said;
}

TEST(MysqlErrorClass, AServerWithoutTls) {
    EXPECT_NE(hint(2026, "TLS/SSL error: SSL is required, but the server does not support it")
                  .find("on the server"),
              std::string_view::npos);
    EXPECT_EQ(hint(2026, "TLS/SSL error: certificate verify failed"), "see TLS in proxyd_table(5)");
}

// Once, the pool kept a connection after a reply that the library could not read (it reports 2027, or
// nothing). The rest of that reply went to the next lookup, and all later lookups got each other's answers.
TEST(MysqlErrorClass, AnErrorOfTheLibraryEndsTheConnection) {
    for (const unsigned number : {0U, 2000U, 2008U, 2013U, 2027U, 2059U, 2999U, 5001U}) {
        EXPECT_EQ(classify(number, Phase::querying, {}), FailureClass::lost) << number;
    }
}

}  // namespace
}  // namespace proxyd::mysql
