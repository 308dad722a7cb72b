#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/config/parameter_file.h"
#include "backends/event/event_loop.h"
#include "backends/event/resolver.h"
#include "backends/mysql/table_backend.h"
#include "backends/pgsql/table_backend.h"
#include "backends/sqlite/table_backend.h"
#include "proxyd/config/options.h"
#include "proxyd/config/options_manual.h"
#include "proxyd/control/check/table_check.h"

namespace proxyd {
namespace {

using testing::HasSubstr;

std::string page(const std::string& name) {
    std::string error;
    const auto text = config::read_file(PROXYD_SOURCE_DIR "/man/" + name, error);
    EXPECT_TRUE(text) << error;
    return text.value_or("");
}

// The option section is generated from the declarations. If this fails, copy the expected text into the page.
TEST(ManualPages, OptionsOfProxydCfAreAsDeclared) {
    EXPECT_THAT(page("proxyd.cf.5"), HasSubstr(".Bl -tag -width Ds\n" + options_as_mdoc() + ".El\n"));
}

// True if a list in the text has an item with the name in its head.
bool describes(const std::string& text, std::string_view name) {
    return std::regex_search(text, std::regex("(^|\n)\\.It (Sy \\w+ , )*Sy " + std::string(name) + "[ \n]"));
}

// A section from its heading to the next; "" if it does not exist.
std::string section(const std::string& text, const std::string& title) {
    const auto begin = text.find("\n.Sh " + title + "\n");
    return begin == std::string::npos ? "" : text.substr(begin, text.find("\n.Sh ", begin + 1) - begin);
}

TEST(ManualPages, EveryTableParameterIsDescribed) {
    const auto text = page("proxyd_table.5");
    const auto older = section(text, "OLDER PARAMETERS");
    const auto common = section(text, "PARAMETERS OF ALL TYPES");
    for (const auto name : table::common_parameter_names())
        EXPECT_TRUE(describes(common + older, name)) << name;
    EXPECT_FALSE(describes(text, "user_name"));
    for (const auto& option : option_infos()) {
        if (!option.per_table) continue;
        EXPECT_THAT(common, HasSubstr(std::string(option.name)));
    }

    EventLoop loop;
    Resolver resolver(loop);
    const auto expect_described = [&](const std::string& title, const table::TableBackend& backend) {
        const auto own = section(text, title) + older;
        for (const auto name : backend.parameter_names())
            EXPECT_TRUE(describes(own, name)) << title << ": " << name;
    };
    expect_described("PARAMETERS OF PGSQL", pgsql::TableBackend(loop, resolver));
    expect_described("PARAMETERS OF MYSQL", mysql::TableBackend(loop, resolver));
    expect_described("PARAMETERS OF SQLITE", sqlite::TableBackend(loop));
}

}  // namespace
}  // namespace proxyd
