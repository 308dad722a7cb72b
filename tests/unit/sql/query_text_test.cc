#include "backends/sql/query_text.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

namespace proxyd::sql {
namespace {

using Parameters = std::map<std::string, std::string, std::less<>>;

QueryText text_of(SqlDialect dialect, const Parameters& parameters) {
    return query_text(dialect, [&](std::string_view name) -> std::optional<std::string> {
        const auto found = parameters.find(name);
        if (found == parameters.end()) return std::nullopt;
        return found->second;
    });
}

TEST(QueryText, QueryWins) {
    const QueryText query =
        text_of(SqlDialect::pgsql,
                {{"query", "SELECT 1"}, {"select_function", "f"}, {"table", "t"}, {"select_field", "s"}});
    EXPECT_EQ(query.text, "SELECT 1");
    EXPECT_FALSE(query.obsolete);
    EXPECT_EQ(query.problem, "");
}

TEST(QueryText, SelectFunctionIsForPgsqlOnly) {
    const Parameters parameters = {{"query", ""},
                                   {"select_function", "upper"},
                                   {"table", "t"},
                                   {"select_field", "s"},
                                   {"where_field", "w"}};
    EXPECT_EQ(text_of(SqlDialect::pgsql, parameters).text, "SELECT upper('%s')");
    EXPECT_EQ(text_of(SqlDialect::mysql, parameters).text, "SELECT s FROM t WHERE w='%s' ");
    EXPECT_EQ(text_of(SqlDialect::sqlite, parameters).text, "SELECT s FROM t WHERE w='%s' ");
    EXPECT_TRUE(text_of(SqlDialect::pgsql, parameters).obsolete);
}

TEST(QueryText, AdditionalConditionsFollowABlank) {
    EXPECT_EQ(text_of(SqlDialect::mysql, {{"table", "t"},
                                          {"select_field", "CONCAT(a,'%%')"},
                                          {"where_field", "w"},
                                          {"additional_conditions", "AND active = 1"}})
                  .text,
              "SELECT CONCAT(a,'%%') FROM t WHERE w='%s' AND active = 1");
}

TEST(QueryText, SaysWhatIsMissing) {
    const QueryText nothing = text_of(SqlDialect::sqlite, {{"select_function", "f"}});
    EXPECT_EQ(nothing.text, "");
    EXPECT_NE(nothing.problem.find("query"), std::string::npos);
    for (const std::string_view missing : {"table", "select_field", "where_field"}) {
        Parameters parameters = {{"table", "t"}, {"select_field", "s"}, {"where_field", "w"}};
        parameters[std::string(missing)] = "";
        const QueryText query = text_of(SqlDialect::pgsql, parameters);
        EXPECT_EQ(query.text, "");
        EXPECT_NE(query.problem.find(missing), std::string::npos) << query.problem;
    }
}

}  // namespace
}  // namespace proxyd::sql
