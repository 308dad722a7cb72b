#include "protocol/table_name.h"

#include <gtest/gtest.h>

namespace proxyd::protocol {
namespace {

TEST(TableName, TypeAndNamePartAtTheFirstColon) {
    const auto table = TableName::parse("pgsql:/etc/a:b.cf");
    EXPECT_EQ(table.text, "pgsql:/etc/a:b.cf");
    EXPECT_EQ(table.type, "pgsql");
    EXPECT_EQ(table.name, "/etc/a:b.cf");
    EXPECT_TRUE(table.has_type);
    EXPECT_FALSE(table.proxied);
}

TEST(TableName, ProxyGoesHoweverOftenItStandsInFront) {
    for (const auto* text : {"proxy:mysql:x", "proxy:proxy:mysql:x"}) {
        const auto table = TableName::parse(text);
        EXPECT_EQ(table.text, "mysql:x");
        EXPECT_EQ(table.type, "mysql");
        EXPECT_TRUE(table.proxied);
    }
    EXPECT_FALSE(TableName::parse("proxymysql:x").proxied);
}

TEST(TableName, WithoutColonTheWholeIsTheType) {
    for (const auto* text : {"/etc/a.cf", "proxy:/etc/a.cf"}) {
        const auto table = TableName::parse(text);
        EXPECT_EQ(table.type, "/etc/a.cf");
        EXPECT_EQ(table.name, "");
        EXPECT_FALSE(table.has_type);
    }
    EXPECT_FALSE(TableName::parse("").has_type);
}

TEST(TableName, CompositeTypes) {
    EXPECT_TRUE(is_composite_type("unionmap"));
    EXPECT_TRUE(is_composite_type("pipemap"));
    EXPECT_FALSE(is_composite_type("pgsql"));
    EXPECT_EQ(type_of("unionmap:{a:b}"), "unionmap");
}

}  // namespace
}  // namespace proxyd::protocol
