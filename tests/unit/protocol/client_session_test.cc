#include "protocol/client_session.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/protocol/transcript.h"

namespace proxyd::protocol {
namespace {

constexpr auto older = Layout::flags;
constexpr auto newer = Layout::instance_flags;

constexpr Flags daemon = flag::lock | flag::fold_fix | flag::utf8_request;
constexpr Flags postmap = daemon | flag::dup_warn;
constexpr Flags transport = daemon | flag::no_regsub;
constexpr Flags match_list = flag::lock | flag::utf8_request;

TEST(Greeting, any_beginning_is_incomplete_and_anything_else_is_refused) {
    for (std::size_t size = 0; size < greeting.size(); ++size) {
        EXPECT_EQ(decode_greeting(greeting.substr(0, size)), GreetingDecoded::incomplete) << size;
    }
    EXPECT_EQ(decode_greeting(greeting), GreetingDecoded::complete);
    EXPECT_EQ(decode_greeting(std::string{greeting} + "more"), GreetingDecoded::complete);
    EXPECT_EQ(decode_greeting(wire("status|0||")), GreetingDecoded::other);
    EXPECT_EQ(decode_greeting(wire("protocol|smtp||")), GreetingDecoded::other);
    EXPECT_EQ(decode_greeting(wire("protocol|proxymap_protocol|x|")), GreetingDecoded::other);
}

TEST(DecodeReply, outcomes) {
    const struct {
        Command command;
        Layout layout;
        std::string bytes;
        ReplyDecoded outcome;
    } cases[] = {
        {Command::lookup, older, "status|0|value|v||", ReplyDecoded::reply},
        {Command::lookup, older, "status|0|value|v|", ReplyDecoded::incomplete},
        {Command::lookup, older, "status|0|value|v|extra|1||", ReplyDecoded::reply},
        {Command::lookup, older, "status|0|flags|16|value|v||", ReplyDecoded::malformed},
        {Command::lookup, newer, "status|0|value|v||", ReplyDecoded::malformed},
        {Command::lookup, newer, "status|0|flags|x|value|v||", ReplyDecoded::malformed},
        {Command::lookup, older, "status|3||", ReplyDecoded::malformed},
        {Command::lookup, older, "status|6|value|v||", ReplyDecoded::malformed},
        {Command::lookup, older, "status|260|value|v||", ReplyDecoded::malformed},
        {Command::lookup, older, "status||value|v||", ReplyDecoded::malformed},
        {Command::lookup, older, "|", ReplyDecoded::malformed},
        {Command::open, older, "protocol|proxymap_protocol||", ReplyDecoded::malformed},
        {Command::sequence, newer, "status|0|flags|1|key|k|value|v||", ReplyDecoded::reply},
        {Command::update, older, "status|0||", ReplyDecoded::reply},
    };
    for (const auto& [command, layout, text, outcome] : cases) {
        const std::string bytes = wire(text);
        const auto result = decode_reply(bytes, command, layout);
        EXPECT_EQ(result.outcome, outcome) << text;
        EXPECT_EQ(result.consumed, outcome == ReplyDecoded::incomplete ? 0 : bytes.size()) << text;
        EXPECT_EQ(result.problem.empty(), outcome != ReplyDecoded::malformed) << text;
    }
}

TEST(DecodeReply, takes_only_its_own_message) {
    const std::string bytes = wire("status|1|value|||status|0|value|v||");
    const auto result = decode_reply(bytes, Command::lookup, older);
    EXPECT_EQ(result.reply.status, Status::nokey);
    EXPECT_EQ(result.consumed, wire("status|1|value|||").size());
}

TEST(DecodeReply, fields) {
    const std::string bytes = wire("status|5|flags|80|key|k|value|v||");
    const auto reply = decode_reply(bytes, Command::sequence, newer).reply;
    EXPECT_EQ(reply.status, Status::config);
    EXPECT_EQ(reply.flags, 80U);
    EXPECT_EQ(reply.key, "k");
    EXPECT_EQ(reply.value, "v");
}

TEST(DecodeReply, over_the_limit_is_malformed) {
    const std::string bytes = wire("status|0|value|") + std::string(100, 'v') + wire("||");
    EXPECT_EQ(decode_reply(bytes, Command::lookup, older, {bytes.size()}).outcome, ReplyDecoded::reply);
    const auto result = decode_reply(bytes, Command::lookup, older, {bytes.size() - 1});
    EXPECT_EQ(result.outcome, ReplyDecoded::malformed);
    EXPECT_THAT(result.problem, testing::HasSubstr("116 bytes"));
}

// Values may have tens of megabytes. The test overwrites decoded bytes with zeros, which look like the end of
// a message. A decoder that starts from the front again would find that end.
TEST(ReplyDecoder, looks_at_each_byte_once) {
    const std::string head = wire("status|0|value|");
    const std::string whole = head + std::string(std::size_t{16} << 20, 'v') + wire("||");
    constexpr std::size_t piece = 4096;
    std::string buffer(whole.size(), '\0');
    ReplyDecoder decoder{Limits{whole.size()}};
    for (std::size_t start = 0; start + piece < whole.size(); start += piece) {
        buffer.replace(start, piece, whole, start, piece);
        const std::string_view arrived = std::string_view{buffer}.substr(0, start + piece);
        ASSERT_EQ(decoder.decode(arrived, Command::lookup, older).outcome, ReplyDecoded::incomplete) << start;
        // The last byte stays: it decides the meaning of the next.
        std::fill_n(buffer.begin() + static_cast<std::ptrdiff_t>(start == 0 ? 0 : start - 1), piece, '\0');
    }
    const auto result = decoder.decode(whole, Command::lookup, older);
    EXPECT_EQ(result.outcome, ReplyDecoded::reply);
    EXPECT_EQ(result.reply.value.size(), std::size_t{16} << 20);
    EXPECT_EQ(decoder.decode(wire("status|1|value|||"), Command::lookup, older).outcome, ReplyDecoded::reply)
        << "the next one";
}

// The flags that Postfix clients were seen to send.
TEST(TableFlags, older_layout) {
    const struct {
        Flags caller;
        bool smtputf8;
        Flags lookup;
        bool folds;
    } cases[] = {
        {daemon, true, 524352, true},
        {daemon, false, 540736, false},
        {postmap, true, 524353, true},
        {postmap, false, 540737, false},
        {transport, true, 526400, true},
        {transport, false, 542784, false},
        {match_list, true, 524352, true},
        {flag::lock, true, 64, false},
        {flag::dup_warn | flag::lock | flag::fold_fix, true, 16449, false},      // postmap -u
        {flag::dup_warn | flag::lock | flag::utf8_request, true, 524353, true},  // postmap -f
    };
    for (const auto& [caller, smtputf8, lookup, folds] : cases) {
        TableFlags flags{older, caller, smtputf8};
        EXPECT_EQ(flags.open("t:x").flags, 0U);
        // Clients use only those flags of the reply that describe the table's implementation.
        flags.opened(flag::fixed | flag::utf8_active | flag::dup_replace | flag::fold_mul);
        EXPECT_EQ(flags.lookup("t:x", "k").flags, lookup);
        EXPECT_EQ(flags.client_folds(), folds);
        flags.replied(12345);
        EXPECT_EQ(flags.lookup("t:x", "k").flags, lookup);
    }
}

TEST(TableFlags, older_layout_sends_uncommon_flags_with_open_and_with_lookup) {
    TableFlags flags{older, daemon | flag::src_rhs_is_file | flag::bulk_update | flag::pattern, false};
    EXPECT_EQ(flags.open("t:x").flags, flag::src_rhs_is_file | flag::bulk_update);
    flags.opened(flag::fixed);
    EXPECT_EQ(flags.lookup("t:x", "k").flags, daemon | flag::src_rhs_is_file | flag::bulk_update);
}

TEST(TableFlags, newer_layout_keeps_what_the_server_says) {
    TableFlags flags{newer, daemon, true};
    EXPECT_EQ(flags.open("t:x").instance_flags, 540736U);
    flags.opened(1589328);
    EXPECT_FALSE(flags.client_folds());
    EXPECT_EQ(flags.lookup("t:x", "k").instance_flags, 540736U);
    EXPECT_EQ(flags.lookup("t:x", "k").flags, 1589328U);
    flags.replied(16);
    EXPECT_EQ(flags.lookup("t:x", "k").flags, 16U);
}

TEST(TableFlags, newer_layout_folds_when_the_server_does_not) {
    TableFlags flags{newer, daemon, true};
    flags.opened(540752);
    EXPECT_TRUE(flags.client_folds());
    EXPECT_EQ(flags.lookup("t:x", "k").flags, 1572944U);
    flags.replied(1572944);
    EXPECT_EQ(flags.lookup("t:x", "k").flags, 1572944U);
}

TEST(TableFlags, newer_layout_without_smtputf8) {
    TableFlags flags{newer, daemon, false};
    flags.opened(540752);
    EXPECT_FALSE(flags.client_folds());
    EXPECT_EQ(flags.lookup("t:x", "k").flags, 540752U);
}

TEST(TableFlags, requests_carry_table_key_and_layout) {
    const TableFlags flags{newer, daemon, true};
    EXPECT_EQ(flags.open("t:x").command, Command::open);
    const Request lookup = flags.lookup("t:x", "k");
    EXPECT_EQ(lookup.command, Command::lookup);
    EXPECT_EQ(lookup.layout, newer);
    EXPECT_EQ(lookup.table, "t:x");
    EXPECT_EQ(lookup.key, "k");
}

}  // namespace
}  // namespace proxyd::protocol
