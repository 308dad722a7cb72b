#include "backends/table_types.h"

#include <algorithm>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/event/event_loop.h"
#include "backends/table/sql_definition.h"
#include "backends/table/table_set.h"

namespace proxyd {
namespace {

// proxyctl check reports unknown parameters, so it must know every parameter that a table reads.
TEST(TableTypes, EachParameterThatIsReadIsOneOfTheNames) {
    EventLoop loop;
    Resolver resolver(loop);
    for (auto& [type, backend] : make_table_backends(loop, resolver)) {
        std::set<std::string> read;
        // Tables of any type look for passwords in these, to keep them out of the log.
        std::set<std::string> known = {"password", "user", "hosts", "dbname"};
        for (const auto name : table::common_parameter_names()) known.emplace(name);
        for (const auto name : backend->parameter_names()) known.emplace(name);
        table::TableSetOptions options;
        options.main_cf = [&read](const std::string& name) -> std::optional<std::string> {
            read.insert(name.substr(name.find('_') + 1));
            if (name == "t_dbname") return "mail";
            if (name == "t_dbpath") return "/nowhere.db";
            return std::nullopt;
        };
        table::TableSet tables(loop, options);
        tables.add_backend(type, std::move(backend));
        (void)tables.inspect(type + ":t");
        for (const auto& name : read) EXPECT_TRUE(known.contains(name)) << type << " reads " << name;
        EXPECT_GE(read.size(), 5U) << type;
    }
}

TEST(TableTypes, CompositeTypesAreServedToo) {
    EXPECT_THAT(sql_table_types(), testing::ElementsAre("pgsql", "mysql", "sqlite"));
    EXPECT_THAT(served_table_types(),
                testing::ElementsAre("pgsql", "mysql", "sqlite", "unionmap", "pipemap"));
}

}  // namespace
}  // namespace proxyd
