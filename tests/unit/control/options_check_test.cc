// The daemon's options, from proxyd.cf and from its entry in master.cf.
#include "proxyd/control/check/options_check.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

namespace proxyd::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class OptionsCheckTest : public testing::Test {
  protected:
    OptionsCheckTest() {
        std::string path = "/tmp/proxyd-options-XXXXXX";
        directory_ = mkdtemp(path.data());
    }
    ~OptionsCheckTest() override { std::filesystem::remove_all(directory_); }

    void write(const std::string& name, const std::string& text) {
        std::ofstream(directory_ + "/" + name) << text;
    }
    [[nodiscard]] ConfigLocation postfix() const { return find_config(directory_, {}); }
    [[nodiscard]] ConfigLocation alone() const { return find_config(directory_ + "/proxyd.cf", {}); }

    // The checked options of `postfix()` or `alone()`; the findings are in `findings`, without the directory.
    CheckedOptions checked(const ConfigLocation& place) {
        Findings found;
        PostfixConfig config(directory_);
        if (!place.stands_alone()) {
            EXPECT_TRUE(config.read(place.master_cf_text, found));
        }
        auto options = check_options(place, config, found);
        findings.clear();
        for (const auto& finding : found.all())
            findings.push_back(format(finding).substr(directory_.size() + 1));
        return options;
    }

    std::string directory_;
    std::vector<std::string> findings;
};

TEST_F(OptionsCheckTest, TheEntryInMasterCfOverridesTheFile) {
    write("main.cf", "");
    write("master.cf", "proxymap unix - - n - 1 proxyd\n  -o lookup_timeout=3s -o proxy_read_maps=\n");
    write("proxyd.cf", "pool_size = 3\nlookup_timeout = 2s\n");
    const auto options = checked(postfix()).options;
    EXPECT_EQ(option_text(options, "pool_size"), "3");
    EXPECT_EQ(option_text(options, "lookup_timeout"), "3s");
    EXPECT_THAT(findings, IsEmpty());
}

TEST_F(OptionsCheckTest, AWrongOptionHasItsDefaultAndIsNamedByItsLine) {
    write("main.cf", "");
    write("master.cf", "proxymap unix - - n - 1 proxyd\n  -o pool_size=many\n");
    write("proxyd.cf", "lookup_timeout = soon\n\npool_sice = 3\n");
    const auto options = checked(postfix()).options;
    EXPECT_EQ(option_text(options, "pool_size"), option_text({}, "pool_size"));
    EXPECT_THAT(findings, ElementsAre(StartsWith("proxyd.cf:1: error: bad value: lookup_timeout = soon"),
                                      StartsWith("proxyd.cf:3: error: unknown option \"pool_sice\""),
                                      StartsWith("master.cf:2: error: bad value: pool_size = many")));
}

TEST_F(OptionsCheckTest, ThePlaceOfRelayServiceIsTheOneThatCounts) {
    write("main.cf", "");
    write("master.cf", "proxymap unix - - n - 1 proxyd\n");
    EXPECT_EQ(checked(postfix()).relay_service, std::nullopt);
    write("proxyd.cf", "\nrelay_service = a\n");
    EXPECT_EQ(checked(postfix()).relay_service, (OptionPlace{directory_ + "/proxyd.cf", 2}));
    write("master.cf", "proxymap unix - - n - 1 proxyd -o relay_service=b\n");
    EXPECT_EQ(checked(postfix()).relay_service, (OptionPlace{directory_ + "/master.cf", 1}));
}

TEST_F(OptionsCheckTest, AStandAloneDaemonHasNothingToDoWithPostfix) {
    write("main.cf", "");
    write("master.cf", "proxymap unix - - n - 1 proxyd -o pool_size=4\n");
    write("proxyd.cf", "allowed_tables = pgsql:/x\n");
    EXPECT_EQ(option_text(checked(alone()).options, "pool_size"), option_text({}, "pool_size"));
    EXPECT_THAT(findings, IsEmpty());
    (void)checked(postfix());
    EXPECT_THAT(findings, ElementsAre(HasSubstr("proxyd.cf:1: note: allowed_tables has no effect")));
}

TEST_F(OptionsCheckTest, AFileThatIsNamedHasToBeThere) {
    write("main.cf", "");
    write("master.cf", "");
    write("proxyd.cf", "");
    const auto given = alone();
    std::filesystem::remove(directory_ + "/proxyd.cf");
    (void)checked(given);
    EXPECT_THAT(findings, ElementsAre(HasSubstr("proxyd.cf: error: ")));
    (void)checked(postfix());
    EXPECT_THAT(findings, IsEmpty());
}

TEST_F(OptionsCheckTest, WithoutAUsableMainCfMasterCfIsNotRead) {
    write("main.cf", "no parameter\n");
    write("master.cf", "proxymap unix - - n - 1 proxyd -o pool_size=4\n");
    write("proxyd.cf", "pool_size = 3\n");
    std::vector<Finding> found;
    EXPECT_EQ(option_text(options_in_force(postfix(), &found), "pool_size"), "3");
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].file, directory_ + "/main.cf");
}

TEST_F(OptionsCheckTest, OptionsInForceArePrinted) {
    write("proxyd.cf", "pool_size = 3\n");
    std::ostringstream out;
    std::ostringstream mistakes;
    EXPECT_EQ(print_options(alone(), out, mistakes), 0);
    EXPECT_EQ(mistakes.str(), "");
    EXPECT_THAT(out.str(), HasSubstr("pool_size = 3\n"));
    EXPECT_THAT(out.str(), HasSubstr("lookup_timeout = 10s\n"));
    write("proxyd.cf", "pool_size = none\n");
    EXPECT_EQ(print_options(alone(), out, mistakes), 1);
    EXPECT_THAT(mistakes.str(), HasSubstr("proxyd.cf:1: error: bad value: pool_size = none"));
}

}  // namespace
}  // namespace proxyd::control
