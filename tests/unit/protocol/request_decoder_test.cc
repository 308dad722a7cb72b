#include "protocol/request_decoder.h"

#include <cstddef>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/harness/allocation_count.h"
#include "tests/unit/protocol/transcript.h"

namespace proxyd::protocol {
namespace {

using testing::HasSubstr;

struct Case {
    std::string name;
    std::string message;
    Decoded outcome;
    std::string problem;  // part of the message; "" if there is no problem
    Command command = Command::lookup;
    Layout layout = Layout::flags;
};

void PrintTo(const Case& c, std::ostream* out) {
    *out << c.name;
}

class RequestDecoderTest : public testing::TestWithParam<Case> {};

TEST_P(RequestDecoderTest, outcome) {
    const Case& expected = GetParam();
    const std::string bytes = wire(expected.message);
    const DecodeResult result = RequestDecoder{}.decode(bytes);
    EXPECT_EQ(result.outcome, expected.outcome);
    EXPECT_EQ(result.consumed, bytes.size());
    EXPECT_EQ(result.request.command, expected.command);
    EXPECT_EQ(result.request.layout, expected.layout);
    if (expected.problem.empty()) {
        EXPECT_EQ(result.problem, "");
    } else {
        EXPECT_THAT(result.problem, HasSubstr(expected.problem));
    }
}

constexpr auto older = Layout::flags;
constexpr auto newer = Layout::instance_flags;

INSTANTIATE_TEST_SUITE_P(
    all, RequestDecoderTest,
    testing::Values(
        Case{"open", "request|open|table|t:x|flags|0||", Decoded::request, "", Command::open, older},
        Case{"open_newer", "request|open|table|t:x|instance_flags|0||", Decoded::request, "", Command::open,
             newer},
        Case{"update", "request|update|table|t:x|flags|0|key|k|value|v||", Decoded::request, "",
             Command::update},
        Case{"empty_texts", "request|update|table||flags|0|key||value|||", Decoded::request, "",
             Command::update},
        Case{"lone_nul", "|", Decoded::no_request, "request is missing"},
        Case{"other_first", "foo|bar||", Decoded::no_request, "\"foo\""},
        Case{"case_matters", "Request|open|table|t:x|flags|0||", Decoded::no_request, "\"Request\""},
        Case{"unknown", "request|frob||", Decoded::unknown_request, "\"frob\""},
        Case{"unknown_with_attributes", "request|frob|table|x|flags|0||", Decoded::unknown_request,
             "\"frob\""},
        Case{"empty_name", "request|||", Decoded::unknown_request, "\"\""},
        Case{"no_table", "request|open||", Decoded::malformed, "open request: attribute table is missing",
             Command::open},
        Case{"no_key", "request|lookup|table|t:x|flags|0||", Decoded::malformed, "attribute key is missing"},
        Case{"no_key_newer", "request|delete|table|t:x|instance_flags|0|flags|0||", Decoded::malformed,
             "attribute key is missing", Command::remove, newer},
        Case{"no_value", "request|update|table|t:x|flags|0|key|k||", Decoded::malformed, "value is missing",
             Command::update},
        Case{"flags_before_table", "request|lookup|flags|0|table|t:x|key|k||", Decoded::malformed,
             "\"flags\" where table"},
        Case{"newer_flags_before_table", "request|lookup|instance_flags|0|table|t:x|flags|0|key|k||",
             Decoded::malformed, "\"instance_flags\" where table", Command::lookup, newer},
        Case{"unexpected", "request|lookup|zzz|1|table|t:x|flags|0|key|k||", Decoded::malformed, "\"zzz\""},
        Case{"unexpected_newer", "request|lookup|table|t:x|zzz|1|instance_flags|0|flags|0|key|k||",
             Decoded::malformed, "\"zzz\" where instance_flags", Command::lookup, newer},
        Case{"group", "request|lookup|{|a|table|t:x|flags|0|key|k||", Decoded::malformed,
             "\"{\" where table"},
        Case{"extra", "request|lookup|table|t:x|flags|0|key|k|zzz|1||", Decoded::request,
             "ignored attribute \"zzz\""},
        Case{"two_keys", "request|lookup|table|t:x|flags|0|key|k|key|l||", Decoded::request, "ignored"},
        Case{"layout_word_behind", "request|open|table|t:x|flags|0|instance_flags|1||", Decoded::request,
             "ignored", Command::open, older},
        Case{"only_instance_flags", "request|lookup|table|t:x|instance_flags|0|key|k||", Decoded::malformed,
             "\"key\" where flags", Command::lookup, newer},
        Case{"flags_twice_in_wrong_order", "request|lookup|table|t:x|flags|0|instance_flags|0|key|k||",
             Decoded::malformed, "\"instance_flags\" where key", Command::lookup, older},
        Case{"function_first", "request|sequence|table|t:x|flags|0|function|0||", Decoded::request, "",
             Command::sequence},
        Case{"function_2", "request|sequence|table|t:x|flags|0|function|2||", Decoded::malformed,
             "function 2", Command::sequence},
        Case{"function_text", "request|sequence|table|t:x|flags|0|function|next||", Decoded::malformed,
             "function is not a number", Command::sequence},
        Case{"terminal_bytes", "request|\\x1b[2J\\n||", Decoded::unknown_request, R"("\x1b[2J\x0a")"},
        Case{"quotes", "request|a\"b\\\\||", Decoded::unknown_request, R"("a\"b\\")"}),
    [](const auto& test) { return test.param.name; });

TEST(RequestDecoder, fields_of_a_lookup) {
    const std::string bytes = wire(
        "request|lookup|table|pgsql:/a.cf|instance_flags|540736|flags|1589328|key|\\xc3\\xbc\\n|zzz|1||");
    const auto request = RequestDecoder{}.decode(bytes).request;
    EXPECT_EQ(request.table, "pgsql:/a.cf");
    EXPECT_EQ(request.instance_flags, 540736U);
    EXPECT_EQ(request.flags, 1589328U);
    EXPECT_EQ(request.key, "\xc3\xbc\n");
}

TEST(RequestDecoder, fields_of_an_update_and_a_sequence) {
    const std::string update = wire("request|update|table|t:x|flags|64|key|k|value|v||");
    EXPECT_EQ(RequestDecoder{}.decode(update).request.flags, 64U);
    EXPECT_EQ(RequestDecoder{}.decode(update).request.key, "k");
    EXPECT_EQ(RequestDecoder{}.decode(update).request.value, "v");
    const std::string sequence = wire("request|sequence|table|t:x|flags|0|function|1||");
    EXPECT_EQ(RequestDecoder{}.decode(sequence).request.function, SequenceFunction::next);
}

TEST(RequestDecoder, the_first_of_two_keys_counts) {
    const std::string bytes = wire("request|lookup|table|t:x|flags|0|key|k|key|l||");
    EXPECT_EQ(RequestDecoder{}.decode(bytes).request.key, "k");
}

TEST(RequestDecoder, flag_numbers) {
    const struct {
        std::string text;
        std::optional<Flags> flags;
    } cases[] = {
        {"0", 0},
        {" 16", 16},
        {"\t\n\v\f\r 16", 16},
        {"+0", 0},
        {"00", 0},
        {"-0", 0},
        {"-1", 4294967295},
        {" -16", 4294967280},
        {"4294967295", 4294967295},
        {"4294967296", 0},
        {"68719476736", 0},
        {"68719476737", 1},
        {"18446744073709551617", 1},
        {std::string(100000, '0') + "7", 7},
        {"", {}},
        {" ", {}},
        {"abc", {}},
        {"0x10", {}},
        {"5 ", {}},
        {"+", {}},
        {"-", {}},
        {"+-1", {}},
        {"- 1", {}},
        {"1.0", {}},
        {"\xc2\xa0"
         "1",
         {}},
        {"1e3", {}},
    };
    for (const auto& [text, flags] : cases) {
        const std::string bytes = wire("request|open|table|t:x|flags|") + text + wire("||");
        const auto result = RequestDecoder{}.decode(bytes);
        EXPECT_EQ(result.outcome, flags ? Decoded::request : Decoded::malformed) << text.substr(0, 30);
        EXPECT_EQ(result.request.flags, flags.value_or(0)) << text.substr(0, 30);
    }
}

TEST(RequestDecoder, a_number_of_a_million_nines_is_read_without_harm) {
    const std::string bytes = wire("request|open|table|t:x|flags|") + std::string(1000000, '9') + wire("||");
    EXPECT_EQ(RequestDecoder{}.decode(bytes).outcome, Decoded::request);
}

TEST(RequestDecoder, pipelined_requests_come_one_by_one) {
    const std::string first = wire("request|lookup|table|t:x|flags|0|key|one||");
    const std::string second = wire("request|lookup|table|t:x|flags|0|key|two||");
    std::string buffer = first + second;
    RequestDecoder decoder;
    const auto result = decoder.decode(buffer);
    EXPECT_EQ(result.request.key, "one");
    EXPECT_EQ(result.consumed, first.size());
    buffer.erase(0, result.consumed);
    EXPECT_EQ(decoder.decode(buffer).request.key, "two");
}

TEST(RequestDecoder, the_limit_is_the_longest_request_that_is_accepted) {
    const std::string bytes = wire("request|lookup|table|t:x|instance_flags|0|flags|0|key|abcdefghij||");
    EXPECT_EQ(RequestDecoder{Limits{bytes.size()}}.decode(bytes).outcome, Decoded::request);
    const auto result = RequestDecoder{Limits{bytes.size() - 1}}.decode(bytes);
    EXPECT_EQ(result.outcome, Decoded::too_long);
    EXPECT_EQ(result.consumed, bytes.size());
    EXPECT_EQ(result.request.command, Command::lookup);
    EXPECT_EQ(result.request.layout, Layout::instance_flags);
}

TEST(RequestDecoder, a_request_without_end_is_too_long) {
    const Limits limits{1000};
    RequestDecoder decoder{limits};
    std::string buffer = wire("request|delete|table|t:x|flags|0|key|");
    while (buffer.size() < limits.message_bytes) {
        buffer += 'k';
        ASSERT_EQ(decoder.decode(buffer).outcome, Decoded::incomplete) << buffer.size();
    }
    buffer += 'k';
    const auto result = decoder.decode(buffer);
    EXPECT_EQ(result.outcome, Decoded::too_long);
    EXPECT_EQ(result.request.command, Command::remove);
    EXPECT_EQ(result.consumed, buffer.size());
}

TEST(RequestDecoder, a_key_of_100000_bytes) {
    const std::string key(100000, 'k');
    const std::string bytes = wire("request|lookup|table|t:x|flags|0|key|") + key + wire("||");
    EXPECT_EQ(RequestDecoder{}.decode(bytes).request.key, key);
}

// 16 MiB byte by byte would take hours if each call scanned all bytes again.
TEST(RequestDecoder, the_time_is_linear_in_the_bytes) {
    std::string bytes = wire("request|lookup|");
    while (bytes.size() < (std::size_t{16} << 20)) {
        bytes += wire("some_name|some_value|");
    }
    bytes += '\0';
    RequestDecoder decoder{Limits{bytes.size()}};
    for (std::size_t size = 1; size < bytes.size(); ++size) {
        const auto result = decoder.decode(std::string_view{bytes}.substr(0, size));
        ASSERT_EQ(result.outcome, Decoded::incomplete);
    }
    EXPECT_EQ(decoder.decode(bytes).outcome, Decoded::malformed);
}

// A whole lookup is read in one pass; one that comes in pieces is not. Both have to say the same.
TEST(RequestDecoder, the_number_of_pieces_makes_no_difference) {
    const std::vector<std::string> texts = {"request", "lookup", "open",  "table", "flags", "instance_flags",
                                            "key",     "",       "pg:/t", "0",     "17",    "-1",
                                            "1x",      "{",      "}",     "name",  "value"};
    const std::vector<std::string> lookup = {"request", "lookup", "table", "pg:/t", "flags",
                                             "17",      "key",    "k",     ""};
    const std::vector<std::string> newer_lookup = {
        "request", "lookup", "table", "pg:/t", "instance_flags", "0", "flags", "17", "key", "k", ""};
    std::minstd_rand random(1);
    int requests = 0;
    for (int i = 0; i < 20000; ++i) {
        auto message = i % 2 == 0 ? lookup : newer_lookup;
        for (auto changes = random() % 3; changes > 0; --changes) {
            const auto place = random() % message.size();
            const auto at = message.begin() + static_cast<std::ptrdiff_t>(place);
            switch (random() % 3) {
                case 0: *at = texts[random() % texts.size()]; break;
                case 1: message.erase(at); break;
                default: message.insert(at, texts[random() % texts.size()]);
            }
        }
        std::string bytes;
        for (const auto& text : message) bytes.append(text).push_back('\0');
        const auto whole = RequestDecoder{}.decode(bytes);
        RequestDecoder decoder;
        DecodeResult pieces;
        for (std::size_t size = 1; size <= bytes.size(); ++size) {
            pieces = decoder.decode(std::string_view{bytes}.substr(0, size));
            if (pieces.outcome != Decoded::incomplete) break;
        }
        ASSERT_EQ(whole.outcome, pieces.outcome) << testing::PrintToString(message);
        ASSERT_EQ(whole.problem, pieces.problem) << testing::PrintToString(message);
        if (whole.outcome != Decoded::request) continue;
        ++requests;
        ASSERT_EQ(whole.consumed, pieces.consumed) << testing::PrintToString(message);
        ASSERT_EQ(whole.request.command, pieces.request.command);
        ASSERT_EQ(whole.request.layout, pieces.request.layout);
        ASSERT_EQ(whole.request.table, pieces.request.table);
        ASSERT_EQ(whole.request.key, pieces.request.key);
        ASSERT_EQ(whole.request.flags, pieces.request.flags);
        ASSERT_EQ(whole.request.instance_flags, pieces.request.instance_flags);
    }
    EXPECT_GT(requests, 5000);
}

TEST(RequestDecoder, a_good_request_needs_no_allocation) {
    const std::string bytes = wire(
        "request|lookup|table|pgsql:/etc/postfix/sql/a-table-with-a-long-name.cf|"
        "instance_flags|540736|flags|1589328|key|alice@a-long-domain.example.com||");
    std::string out;
    out.reserve(1000);
    RequestDecoder decoder;
    const int before = allocation_count();
    for (std::size_t size = 1; size <= bytes.size(); ++size) {
        const auto result = decoder.decode(std::string_view{bytes}.substr(0, size));
        if (result.outcome == Decoded::request) {
            append(out, result.request.command, result.request.layout,
                   Reply{Status::ok, result.request.flags, {}, "a value that is longer than a short string"});
        }
    }
    const int after = allocation_count();
    EXPECT_FALSE(out.empty());
    EXPECT_EQ(after - before, 0);
}

}  // namespace
}  // namespace proxyd::protocol
