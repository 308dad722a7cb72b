#include "proxyd/master/arguments.h"

#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxyd/master/environment.h"

namespace proxyd::master {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

DaemonArguments parse(const std::vector<const char*>& words) {
    return parse_arguments(static_cast<int>(words.size()), words.data());
}

std::string error_of(const std::vector<const char*>& words) {
    try {
        (void)parse(words);
    } catch (const UsageError& error) {
        return error.what();
    }
    return "accepted";
}

TEST(Arguments, AsMasterGivesThem) {
    auto read_only = parse({"proxymap", "-t", "unix", "-u"});
    EXPECT_EQ(read_only.mode, RunMode::master);
    EXPECT_EQ(read_only.service_name, "proxymap");
    EXPECT_FALSE(read_only.read_write());
    EXPECT_TRUE(read_only.unprivileged);
    EXPECT_FALSE(read_only.chroot);
    EXPECT_EQ(read_only.transport, "unix");

    auto read_write = parse({"proxyd", "-l", "-n", "proxywrite", "-t", "unix", "-u"});
    EXPECT_EQ(read_write.service_name, "proxywrite");
    EXPECT_EQ(read_write.process_name, "proxyd");
    EXPECT_TRUE(read_write.read_write());
    EXPECT_TRUE(read_write.single_process);
}

// All combinations of options that master(8) may put before the user's arguments.
TEST(Arguments, EveryCombinationMasterUses) {
    for (unsigned bits = 0; bits < 256; ++bits) {
        const auto has = [bits](unsigned bit) { return (bits >> bit & 1U) != 0; };
        std::vector<const char*> words = {has(0) ? "../../../opt/bin/proxyd" : "proxymap"};
        if (has(1)) words.push_back(has(2) ? "-l" : "-z");
        if (has(0)) words.insert(words.end(), {"-n", "proxymap"});
        words.insert(words.end(), {"-t", "unix"});
        if (has(3)) words.push_back("-d");
        if (has(4)) words.push_back("-v");
        if (has(5)) words.push_back("-u");
        if (has(6)) words.push_back("-c");
        if (has(7)) words.insert(words.end(), {"-o", "stress=", "-s", "2", "-v", "-o", "max_idle = 5"});
        const auto got = parse(words);
        EXPECT_EQ(got.service_name, "proxymap");
        EXPECT_EQ(got.process_name, has(0) ? "proxyd" : "proxymap");
        EXPECT_EQ(got.single_process, has(1) && has(2));
        EXPECT_EQ(got.unlimited_processes, has(1) && !has(2));
        EXPECT_EQ(got.not_a_daemon, has(3));
        EXPECT_EQ(got.verbose, (has(4) ? 1 : 0) + (has(7) ? 1 : 0));
        EXPECT_EQ(got.unprivileged, has(5));
        EXPECT_EQ(got.chroot, has(6));
        EXPECT_EQ(got.socket_count, has(7) ? 2 : 1);
        if (has(7)) {
            EXPECT_THAT(got.overrides, ElementsAre(Pair("stress", ""), Pair("max_idle", "5")));
        } else {
            EXPECT_TRUE(got.overrides.empty());
        }
    }
}

TEST(Arguments, OverridesKeepTheirRawValueAndOrder) {
    const auto got =
        parse({"proxymap", "-t", "unix", "-o", "a=1", "-ob = $x = y ", "-i", "10", "-m5", "-o", "c ="});
    EXPECT_THAT(got.overrides, ElementsAre(Pair("a", "1"), Pair("b", "$x = y"), Pair("max_idle", "10"),
                                           Pair("max_use", "5"), Pair("c", "")));
}

TEST(Arguments, LettersMayBeJoined) {
    const auto got = parse({"proxyd", "-luvvVDd", "-nproxymap", "-vtunix", "--"});
    EXPECT_TRUE(got.single_process && got.unprivileged && got.log_to_stderr && got.call_debugger &&
                got.not_a_daemon);
    EXPECT_EQ(got.verbose, 3);
    EXPECT_EQ(got.service_name, "proxymap");
    EXPECT_EQ(got.transport, "unix");
}

TEST(Arguments, OnItsOwn) {
    const auto got =
        parse({"/usr/sbin/proxyd", "--listen", "/run/p.sock", "--config=/etc/p.cf", "--verbose"});
    EXPECT_EQ(got.mode, RunMode::listen);
    EXPECT_EQ(got.listen_path, "/run/p.sock");
    EXPECT_EQ(got.config_path, "/etc/p.cf");
    EXPECT_EQ(got.process_name, "proxyd");
    EXPECT_EQ(got.verbose, 1);
    EXPECT_EQ(parse({"proxyd", "-S"}).mode, RunMode::stdio);
    EXPECT_EQ(parse({"proxymap", "-S", "-t", "unix"}).mode, RunMode::stdio);
    EXPECT_EQ(parse({"proxyd", "--help"}).mode, RunMode::help);
    EXPECT_EQ(parse({"proxyd", "--version", "--listen", "x"}).mode, RunMode::version);
}

TEST(Arguments, MistakesAreNamed) {
    const struct {
        std::vector<const char*> words;
        const char* part;
    } cases[] = {
        {{"proxyd"}, "usage: proxyd --listen PATH"},
        {{"proxyd", "-v"}, "usage:"},
        {{"proxyd", "-t", "unix"}, "unexpected service name \"proxyd\""},
        {{"proxymap", "-n", "foo", "-t", "unix"}, "unexpected service name \"foo\""},
        {{"proxymap", "-t", "fifo"}, "unsupported transport type \"fifo\""},
        {{"proxymap", "-t", "pass"}, "unsupported transport type \"pass\""},
        {{"proxymap", "-t"}, "option -t needs a value"},
        {{"proxymap", "-t", "unix", "-x"}, "unknown option -x"},
        {{"proxymap", "-t", "unix", "--frob"}, "unknown option --frob"},
        {{"proxymap", "-t", "unix", "--help=x"}, "unknown option --help="},
        {{"proxymap", "-t", "unix", "-o", "noequals"}, "must be name=value"},
        {{"proxymap", "-t", "unix", "-o", " = x"}, "must be name=value"},
        {{"proxymap", "-t", "unix", "-o", "a b = x"}, "blanks in the parameter name \"a b\""},
        {{"proxymap", "-t", "unix", "-s", "0"}, "option -s 0"},
        {{"proxymap", "-t", "unix", "-s", "-1"}, "option -s -1"},
        {{"proxymap", "-t", "unix", "-s", "2x"}, "option -s 2x"},
        {{"proxyd", "start"}, "unexpected argument \"start\""},
        {{"proxymap", "-t", "unix", "extra"}, "unexpected argument behind option -t"},
        {{"proxymap", "-vu", "-"}, "unexpected argument behind option -u"},
        {{"proxyd", "--listen=x", "extra"}, "unexpected argument behind option --listen"},
        {{"proxymap", "-o", "user=", "x"},
         "unexpected argument behind option -o user: write { name = value } where there are blanks"},
        {{"proxyd", "--listen"}, "option --listen needs a value"},
        {{"proxyd", "--listen="}, "option --listen needs a value"},
        {{"proxyd", "--listen", "x", "-t", "unix"}, "--listen cannot be combined with -t"},
        {{"proxyd", "--listen", "x", "-S"}, "--listen cannot be combined with -S"},
    };
    for (const auto& c : cases) {
        EXPECT_THAT(error_of(c.words), HasSubstr(c.part));
    }
    EXPECT_THROW((void)parse_arguments(0, nullptr), UsageError);
}

TEST(Arguments, MistakesDoNotShowValues) {
    for (const char* option : {"db_password s3cr3t", "db password = s3cr3t", "= s3cr3t"}) {
        EXPECT_THAT(error_of({"proxymap", "-t", "unix", "-o", option}), Not(HasSubstr("s3cr3t"))) << option;
    }
    for (const char* word : {"s3cr3t", "--db_password=s3cr3t"}) {
        EXPECT_THAT(error_of({"proxymap", "-t", "unix", "-o", "db_password=", word}),
                    Not(HasSubstr("s3cr3t")))
            << word;
    }
}

TEST(Arguments, ServiceIsNotForTerminals) {
    const auto service = parse({"proxymap", "-t", "unix"});
    EXPECT_THROW(refuse_terminal(service, true), UsageError);
    EXPECT_NO_THROW(refuse_terminal(service, false));
    EXPECT_NO_THROW(refuse_terminal(parse({"proxymap", "-d", "-t", "unix"}), true));
    EXPECT_NO_THROW(refuse_terminal(parse({"proxyd", "-S"}), true));
    EXPECT_NO_THROW(refuse_terminal(parse({"proxyd", "--listen", "x"}), true));
}

Environment environment(const std::map<std::string, std::string>& variables) {
    return read_environment([&variables](const char* name) -> const char* {
        const auto found = variables.find(name);
        return found == variables.end() ? nullptr : found->second.c_str();
    });
}

TEST(EnvironmentTest, AsMasterSetsIt) {
    const auto got = environment({{"MAIL_CONFIG", "/etc/postfix-x"},
                                  {"MAIL_LOGTAG", "postfix-x"},
                                  {"POSTLOG_SERVICE", "/q/public/postlog"},
                                  {"POSTLOG_HOSTNAME", "mx.example"},
                                  {"GENERATION", "211"},
                                  {"MAIL_VERBOSE", ""}});
    EXPECT_EQ(got.config_directory, "/etc/postfix-x");
    EXPECT_EQ(got.log_tag, "postfix-x");
    EXPECT_EQ(got.postlog_service, "/q/public/postlog");
    EXPECT_EQ(got.postlog_hostname, "mx.example");
    EXPECT_EQ(got.generation, 137U);
    EXPECT_TRUE(got.verbose);
    EXPECT_FALSE(got.debug);
}

TEST(EnvironmentTest, EverythingMayBeAbsentButNothingMalformed) {
    const auto got = environment({});
    EXPECT_FALSE(got.config_directory || got.log_tag || got.postlog_service || got.verbose || got.debug);
    EXPECT_EQ(got.generation, 0U);
    EXPECT_EQ(environment({{"GENERATION", "37777777777"}}).generation, 0xffffffffU);
    for (const char* bad : {"9", "12x", "-1", " 1", "40000000000"}) {
        EXPECT_THROW((void)environment({{"GENERATION", bad}}), std::runtime_error) << bad;
    }
}

}  // namespace
}  // namespace proxyd::master
