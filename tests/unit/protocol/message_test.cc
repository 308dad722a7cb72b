#include "protocol/message.h"

#include <gtest/gtest.h>

#include "tests/unit/protocol/transcript.h"

namespace proxyd::protocol {
namespace {

constexpr auto older = Layout::flags;
constexpr auto newer = Layout::instance_flags;

TEST(Message, greeting_is_28_bytes) {
    EXPECT_EQ(greeting, wire("protocol|proxymap_protocol||"));
    EXPECT_EQ(greeting.size(), 28U);
}

TEST(Message, each_reply_to_the_byte) {
    const Reply nokey{Status::nokey, 1589328, {}, {}};
    const Reply soft{Status::retry, 1589328, {}, {}};
    const Reply deny{Status::deny, 0, {}, {}};
    const Reply bad{Status::bad, 0, {}, {}};
    const Reply found{Status::ok, 80, "k", "v"};
    const struct {
        Command command;
        Layout layout;
        Reply reply;
        std::string expected;
    } cases[] = {
        {Command::open, older, {Status::ok, 16, {}, {}}, "status|0|flags|16||"},
        {Command::open, newer, {Status::ok, 1589329, {}, {}}, "status|0|flags|1589329||"},
        {Command::open, older, deny, "status|4|flags|0||"},
        {Command::open, newer, deny, "status|4|flags|0||"},
        {Command::lookup, older, nokey, "status|1|value|||"},
        {Command::lookup, newer, nokey, "status|1|flags|1589328|value|||"},
        {Command::lookup, older, soft, "status|2|value|||"},
        {Command::lookup, newer, soft, "status|2|flags|1589328|value|||"},
        {Command::lookup, older, deny, "status|4|value|||"},
        {Command::lookup, newer, deny, "status|4|flags|0|value|||"},
        {Command::lookup, older, bad, "status|3|value|||"},
        {Command::lookup, newer, bad, "status|3|flags|0|value|||"},
        {Command::lookup, older, found, "status|0|value|v||"},
        {Command::lookup, newer, found, "status|0|flags|80|value|v||"},
        {Command::update, older, deny, "status|4||"},
        {Command::update, newer, deny, "status|4|flags|0||"},
        {Command::update, newer, {Status::retry, 448, {}, {}}, "status|2|flags|448||"},
        {Command::remove, older, deny, "status|4||"},
        {Command::remove, newer, {Status::retry, 320, {}, {}}, "status|2|flags|320||"},
        {Command::sequence, older, deny, "status|4|key||value|||"},
        {Command::sequence, newer, deny, "status|4|flags|0|key||value|||"},
        {Command::sequence, older, found, "status|0|key|k|value|v||"},
        {Command::sequence,
         newer,
         {Status::config, 4294967295, {}, {}},
         "status|5|flags|4294967295|key||value|||"},
    };
    for (const auto& [command, layout, reply, expected] : cases) {
        std::string out = "before";
        append(out, command, layout, reply);
        EXPECT_EQ(out, "before" + wire(expected));
    }
    std::string out;
    append_unknown_request_reply(out);
    EXPECT_EQ(out, wire("status|3||"));
}

TEST(Message, each_request_to_the_byte) {
    const struct {
        Command command;
        std::string older;
        std::string newer;
    } cases[] = {
        {Command::open, "request|open|table|t:x|flags|2||", "request|open|table|t:x|instance_flags|1||"},
        {Command::lookup, "request|lookup|table|t:x|flags|2|key|k||",
         "request|lookup|table|t:x|instance_flags|1|flags|2|key|k||"},
        {Command::update, "request|update|table|t:x|flags|2|key|k|value|v||",
         "request|update|table|t:x|instance_flags|1|flags|2|key|k|value|v||"},
        {Command::remove, "request|delete|table|t:x|flags|2|key|k||",
         "request|delete|table|t:x|instance_flags|1|flags|2|key|k||"},
        {Command::sequence, "request|sequence|table|t:x|flags|2|function|1||",
         "request|sequence|table|t:x|instance_flags|1|flags|2|function|1||"},
    };
    for (const auto& expected : cases) {
        Request request{expected.command, older, "t:x", 1, 2, "k", "v", SequenceFunction::next};
        std::string out;
        append(out, request);
        EXPECT_EQ(out, wire(expected.older));
        out.clear();
        request.layout = newer;
        append(out, request);
        EXPECT_EQ(out, wire(expected.newer));
    }
}

// A value from a database may contain a NUL byte. It must not forge attributes.
TEST(Message, a_text_ends_at_its_first_nul) {
    const std::string value = wire("a|status|0");
    std::string out;
    append(out, Command::lookup, older, Reply{Status::ok, 0, {}, value});
    EXPECT_EQ(out, wire("status|0|value|a||"));
}

TEST(Message, a_long_value_is_sent_whole) {
    const std::string value(100000, 'v');
    std::string out;
    append(out, Command::lookup, older, Reply{Status::ok, 0, {}, value});
    EXPECT_EQ(out, wire("status|0|value|") + value + wire("||"));
}

TEST(Message, command_names) {
    EXPECT_EQ(name(Command::remove), "delete");
    EXPECT_EQ(name(Command::open), "open");
}

}  // namespace
}  // namespace proxyd::protocol
