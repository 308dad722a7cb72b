#include <gtest/gtest.h>

#include "backends/pool/query.h"

namespace proxyd::pool {
namespace {

class One final : public Statement {
  public:
    [[nodiscard]] bool exclusive() const override { return false; }
    [[nodiscard]] bool repeatable() const override { return true; }
};

class Another final : public Statement {
  public:
    [[nodiscard]] bool exclusive() const override { return false; }
    [[nodiscard]] bool repeatable() const override { return true; }
};

TEST(StatementOf, IsTheStatementOfItsDriver) {
    const auto statement = std::make_shared<One>();
    const Query query{statement, sql::make_key("key")};
    EXPECT_EQ(statement_of<One>(query), statement);
}

TEST(StatementOf, RefusesOneOfAnotherDriver) {
    const Query query{std::make_shared<One>(), sql::make_key("key")};
    EXPECT_THROW((void)statement_of<Another>(query), std::logic_error);
}

}  // namespace
}  // namespace proxyd::pool
