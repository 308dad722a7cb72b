#include "proxyd/postfix/main_cf.h"

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

namespace proxyd::postfix {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

MainCf parameters(const std::string& text, const Overrides& overrides = {}) {
    return {config::parse_parameters(text, "/etc/postfix/main.cf"),
            {{"mail_version", "3.7.11"},
             {"compatibility_level", "0"},
             {"smtputf8_enable", "${{$compatibility_level} <level {1} ? {no} : {yes}}"},
             {"max_idle", "100s"}},
            overrides};
}

template <class Action>
std::string error_of(Action action) {
    try {
        action();
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "no exception";
}

TEST(MainCf, OverridesComeBeforeTheFileBeforeDefaults) {
    const MainCf main_cf = parameters("a = file\nb = file\nmax_idle = 5s\n", {{"a", "first"}, {"a", "last"}});
    EXPECT_EQ(main_cf.value("a"), "last");
    EXPECT_EQ(main_cf.value("b"), "file");
    EXPECT_EQ(main_cf.value("max_idle"), "5s");
    EXPECT_EQ(main_cf.value("smtputf8_enable"), "no");
    EXPECT_EQ(main_cf.raw("smtputf8_enable"), "${{$compatibility_level} <level {1} ? {no} : {yes}}");
    EXPECT_EQ(main_cf.configured("smtputf8_enable"), std::nullopt);
    EXPECT_EQ(main_cf.configured("b"), "file");
    EXPECT_EQ(main_cf.raw("unknown"), std::nullopt);
    EXPECT_EQ(main_cf.value("unknown"), "");
}

TEST(MainCf, OverridesReachTheParametersThatReferToThem) {
    EXPECT_TRUE(parameters("", {{"compatibility_level", "3.6"}}).boolean("smtputf8_enable"));
    EXPECT_EQ(parameters("x = <$y>\ny = file\n", {{"y", "option"}}).value("x"), "<option>");
}

TEST(MainCf, BrokenExpressionHurtsOnlyItsReaders) {
    const MainCf main_cf = parameters("bad = ${\nuses = $bad\ngood = g\n");
    EXPECT_EQ(main_cf.value("good"), "g");
    EXPECT_EQ(main_cf.raw("bad"), "${");
    EXPECT_THROW((void)main_cf.value("bad"), config::ExpansionError);
    EXPECT_THROW((void)main_cf.value("uses"), config::ExpansionError);
}

TEST(MainCf, DefinedParametersCannotBeOverridden) {
    MainCf main_cf = parameters("service_name = file\n", {{"service_name", "option"}});
    main_cf.define("service_name", "proxymap");
    EXPECT_EQ(main_cf.expand("<$service_name>"), "<proxymap>");
}

TEST(MainCf, Booleans) {
    const MainCf main_cf = parameters("y = YES\nn = no\nempty =\nbad = maybe\nref = $y\n");
    EXPECT_TRUE(main_cf.boolean("y"));
    EXPECT_TRUE(main_cf.boolean("ref"));
    EXPECT_FALSE(main_cf.boolean("n", true));
    EXPECT_TRUE(main_cf.boolean("empty", true));
    EXPECT_FALSE(main_cf.boolean("unknown"));
    EXPECT_EQ(error_of([&] { (void)main_cf.boolean("bad"); }), "bad value: bad = maybe, expected yes or no");
}

TEST(MainCf, Durations) {
    const MainCf main_cf =
        parameters("plain = 7\ns = 7s\nm = 2m\nh = 2H\nd = 1d\nw = 1w\nref = $m\nzero = 0\n");
    EXPECT_EQ(main_cf.duration("plain", 1s), 7s);
    EXPECT_EQ(main_cf.duration("s", 1s), 7s);
    EXPECT_EQ(main_cf.duration("m", 1s), 2min);
    EXPECT_EQ(main_cf.duration("h", 1s), 2h);
    EXPECT_EQ(main_cf.duration("d", 1s), 24h);
    EXPECT_EQ(main_cf.duration("w", 1s), 168h);
    EXPECT_EQ(main_cf.duration("ref", 1s), 2min);
    EXPECT_EQ(main_cf.duration("zero", 1s), 0s);
    EXPECT_EQ(main_cf.duration("unknown", 9s), 9s);
    EXPECT_EQ(main_cf.duration("max_idle", 1s), 100s);
    for (const char* bad : {"x", "s", "1x", "1 s", "-1s", "1ms", "99999999999w", "1h30m"}) {
        EXPECT_THAT(error_of([&] { (void)parameters(std::string("t = ") + bad).duration("t", 1s); }),
                    HasSubstr("expected a time"))
            << bad;
    }
}

TEST(MainCf, Integers) {
    const MainCf main_cf = parameters("n = 100\nm = -1\nbad = 1x\nbig = 99999999999\n");
    EXPECT_EQ(main_cf.integer("n", 5), 100);
    EXPECT_EQ(main_cf.integer("m", 5), -1);
    EXPECT_EQ(main_cf.integer("unknown", 5), 5);
    EXPECT_THAT(error_of([&] { (void)main_cf.integer("bad", 5); }), HasSubstr("bad = 1x, expected a number"));
    EXPECT_THAT(error_of([&] { (void)main_cf.integer("big", 5); }), HasSubstr("expected a number"));
}

TEST(MainCf, TellsOfOddLines) {
    EXPECT_THAT(parameters("a = 1\na = 2\n").warnings(),
                ElementsAre("/etc/postfix/main.cf, line 2: overriding earlier entry: a=1"));
}

TEST(MainCf, VersionIsThatOfTheInstalledPrograms) {
    const Version version = parameters("mail_version = 9.9\n").mail_version();
    EXPECT_EQ(version.major, 3);
    EXPECT_EQ(version.minor, 7);
    EXPECT_EQ(version.patch, 11);
    EXPECT_THROW((void)MainCf({}, {}, {}).mail_version(), std::runtime_error);
}

TEST(ParseOverride, TakesBothForms) {
    using Pair = std::pair<std::string, std::string>;
    EXPECT_EQ(parse_override("a=b"), (Pair{"a", "b"}));
    EXPECT_EQ(parse_override(" a = b=c d "), (Pair{"a", "b=c d"}));
    EXPECT_EQ(parse_override("a="), (Pair{"a", ""}));
    for (const char* bad : {"", "a", "=b", " = b", "a b=c"}) {
        EXPECT_THAT(error_of([&] { (void)parse_override(bad); }), HasSubstr("expected name=value")) << bad;
    }
}

struct VersionRow {
    const char* text;
    int major, minor, patch;
    bool snapshot, greeting;
};

TEST(ParseVersion, KnowsReleasesAndSnapshots) {
    const VersionRow rows[] = {
        {"3.7.11", 3, 7, 11, false, true},      {"3.5.25", 3, 5, 25, false, false},
        {"3.6.0", 3, 6, 0, false, true},        {"3.6.0-RC1", 3, 6, 0, false, true},
        {"2.11.3", 2, 11, 3, false, false},     {"3.12-20251010", 3, 12, 0, true, true},
        {"3.5-20200101", 3, 5, 0, true, false}, {"3.12-20251010-nonprod", 3, 12, 0, true, true},
        {"4.0.0", 4, 0, 0, false, true},
    };
    for (const VersionRow& row : rows) {
        const std::optional<Version> version = parse_version(row.text);
        ASSERT_TRUE(version) << row.text;
        EXPECT_EQ(version->major, row.major) << row.text;
        EXPECT_EQ(version->minor, row.minor) << row.text;
        EXPECT_EQ(version->patch, row.patch) << row.text;
        EXPECT_EQ(version->snapshot, row.snapshot) << row.text;
        EXPECT_EQ(needs_greeting(*version), row.greeting) << row.text;
    }
    for (const char* bad : {"", "3", "3.", "x.y", "3.7.x", "3.7 ", "-3.7"})
        EXPECT_FALSE(parse_version(bad)) << bad;
}

class ConfigDirectory : public testing::Test {
  protected:
    ConfigDirectory() {
        char name[] = "/tmp/proxyd-main-cf-XXXXXX";
        directory_ = mkdtemp(name);
        write("master.cf", "");
    }
    ~ConfigDirectory() override { std::filesystem::remove_all(directory_); }

    void write(const std::string& name, const std::string& text) const {
        const std::filesystem::path path = directory_ + '/' + name;
        std::ofstream(path) << text;
        // The file is dated back: Postfix would wait until it is a second or two old.
        std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now() - 1h);
    }
    void write_program(const std::string& name, const std::string& text) const {
        write(name, "#!/bin/sh\n" + text);
        ::chmod((directory_ + '/' + name).c_str(), 0755);
    }

    static std::string run(const std::string& command) {
        FILE* pipe = ::popen(command.c_str(), "r");
        std::string output;
        std::array<char, 4096> buffer;
        while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
            output.append(buffer.data(), count);
        }
        ::pclose(pipe);
        return output;
    }

    std::string directory_;
};

using BuiltInDefaults = ConfigDirectory;

TEST_F(BuiltInDefaults, AreWhatTheProgramPrints) {
    write_program(
        "postconf",
        "echo 'mail_version = 3.9.1'; echo 'a ='; echo \"b = $1 $HOME<$(env | wc -l)>\"; echo x >&2\n");
    const ParameterValues values = built_in_defaults(directory_ + "/postconf", 10s);
    EXPECT_EQ(values.at("mail_version"), "3.9.1");
    EXPECT_EQ(values.at("a"), "");
    // The shell may add variables such as PWD. None of this process's variables may be there.
    EXPECT_THAT(values.at("b"), testing::StartsWith("-d <"));
}

TEST_F(BuiltInDefaults, ProgramGetsNoDescriptorOfOurs) {
    constexpr int ours = 77;
    ASSERT_EQ(::dup2(2, ours), ours);
    write_program("postconf", "echo 'mail_version = 3.9.1'; echo fds = $(ls /proc/$$/fd)\n");
    const ParameterValues values = built_in_defaults(directory_ + "/postconf", 10s);
    ::close(ours);
    EXPECT_THAT(values.at("fds"), testing::Not(HasSubstr("77")));
}

TEST_F(BuiltInDefaults, FaultsAreSaid) {
    const std::string program = directory_ + "/postconf";
    const auto fault = [&] { return error_of([&] { (void)built_in_defaults(program, 300ms); }); };
    EXPECT_THAT(fault(), HasSubstr("No such file"));
    write_program("postconf", "echo 'mail_version = 3.9.1'; exit 3\n");
    EXPECT_THAT(fault(), HasSubstr("exit status 3"));
    write_program("postconf", "kill -9 $$\n");
    EXPECT_THAT(fault(), HasSubstr("signal 9"));
    write_program("postconf", "echo hello\n");
    EXPECT_THAT(fault(), HasSubstr("no mail_version"));
    write_program("postconf", "exec sleep 20\n");
    EXPECT_THAT(fault(), HasSubstr("timed out"));
}

TEST_F(BuiltInDefaults, LastWordsOfTheProgramAreSaid) {
    write_program(
        "postconf",
        "echo 'mail_version = 3.9.1'; echo postconf: fatal: 'no memory' >&2; echo 'a = b'; exit 1\n");
    EXPECT_THAT(error_of([&] { (void)built_in_defaults(directory_ + "/postconf", 10s); }),
                testing::EndsWith("exit status 1: no memory"));
}

TEST_F(BuiltInDefaults, InstalledPostconfNamesTheBadLine) {
    if (::access("/usr/sbin/postconf", X_OK) != 0) GTEST_SKIP() << "/usr/sbin/postconf is not installed";
    write("main.cf", "");
    write("master.cf", "# first\nfoo bar\n");
    write_program("postconf", "MAIL_CONFIG=" + directory_ + " exec /usr/sbin/postconf \"$@\"\n");
    try {
        (void)built_in_defaults(directory_ + "/postconf", 10s);
        FAIL();
    } catch (const BadConfigFile& error) {
        EXPECT_EQ(error.file(), directory_ + "/master.cf");
        EXPECT_EQ(error.line(), 2);
        EXPECT_EQ(error.fault(), "bad field count");
        EXPECT_EQ(error.what(),
                  directory_ + "/master.cf:2: bad field count (says " + directory_ + "/postconf)");
    }
}

TEST_F(ConfigDirectory, LoadTakesPostconfFromTheCommandDirectory) {
    write_program("postconf", "echo 'mail_version = 3.9.1'; echo 'x = default'\n");
    write("main.cf", "dir = " + directory_ + "\ncommand_directory = $dir\n");
    const MainCf main_cf = MainCf::load(directory_, {{"y", "$x"}});
    EXPECT_EQ(main_cf.value("y"), "default");
    EXPECT_EQ(main_cf.mail_version().minor, 9);
    EXPECT_EQ(main_cf.value("config_directory"), directory_);
}

TEST_F(ConfigDirectory, LoadSaysWhyMainCfCannotBeUsed) {
    const auto fault = [&] { return error_of([&] { (void)MainCf::load(directory_, {}); }); };
    EXPECT_EQ(fault(), "open " + directory_ + "/main.cf: No such file or directory");
    write("main.cf", "a = 1\nbad line\n");
    EXPECT_EQ(
        fault(),
        directory_ + "/main.cf, line 2: missing '=' after the name, expected \"name = value\": \"bad\"");
}

// postconf(1) prints one blank for each run of white space.
std::string with_single_blanks(const std::string& text) {
    std::string result;
    for (const char c : text) {
        if (c != ' ' && c != '\t') result += c;
        if ((c == ' ' || c == '\t') && !result.empty() && result.back() != ' ') result += ' ';
    }
    while (result.ends_with(' ')) result.pop_back();
    return result;
}

// Compares the effective values of all parameters with those of the installed Postfix.
class InstalledPostfix : public ConfigDirectory, public testing::WithParamInterface<const char*> {};

TEST_P(InstalledPostfix, HasTheSameEffectiveValues) {
    if (::access("/usr/sbin/postconf", X_OK) != 0) GTEST_SKIP() << "/usr/sbin/postconf is not installed";
    write("main.cf", GetParam());
    const MainCf main_cf = MainCf::load(directory_, {});
    const config::ParameterFile expected = config::parse_parameters(
        run("env -i /usr/sbin/postconf -c " + directory_ + " -x 2>/dev/null"), "postconf -x");
    ASSERT_GT(expected.parameters.size(), 500U);
    int expanded = 0;
    // These differ between processes, or Postfix derives them from the network interfaces.
    const std::set<std::string> of_the_process = {"process_id", "process_name", "mynetworks"};
    for (const auto& [name, parameter] : expected.parameters) {
        if (of_the_process.contains(name)) continue;
        // Some parameters are templates. Postfix expands their `$` for each recipient or reply.
        if (with_single_blanks(main_cf.raw(name).value_or("")) == parameter.value) continue;
        ++expanded;
        EXPECT_EQ(with_single_blanks(main_cf.value(name)), parameter.value) << name;
    }
    EXPECT_GT(expanded, 100);
}

INSTANTIATE_TEST_SUITE_P(
    MainCf, InstalledPostfix,
    testing::Values(
        "", "compatibility_level = 3.6\nmynetworks = 127.0.0.0/8\n",
        "myhostname = mail.sub.example.org\nmynetworks = 127.0.0.0/8 $mydomain\n", "myhostname = plain\n",
        "mydomain = example.net\n", "mydomain = a.example\nmyhostname = b.example\n",
        "virtual_alias_maps = proxy:pgsql:/x\nproxy_read_maps =\n  $virtual_alias_maps\n# c\n  "
        "${foo?{b}:{c}}\n",
        "alias_maps = hash:/a,\n\tproxy:fail:b\ncommand_directory = /usr/sbin\ndaemon_directory = /d\r\n",
        "multi_instance_name = postfix-out\nqueue_directory = /q  q\nrelay_domains = $$x ${{1} < {2}}\n",
        "default_privs = nobody\ndefault_process_limit = 7\nsmtp_helo_name = $myhostname.x\n"));

}  // namespace
}  // namespace proxyd::postfix
