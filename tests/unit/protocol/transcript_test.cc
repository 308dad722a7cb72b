// Replays the recorded sessions through both sides of the codec.
#include "tests/unit/protocol/transcript.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "protocol/client_session.h"
#include "protocol/request_decoder.h"

namespace proxyd::protocol {
namespace {

class TranscriptTest : public testing::TestWithParam<Transcript> {
  protected:
    const std::vector<RecordedMessage>& messages() const { return GetParam().messages; }

    // The server's answer to message `i`; null if there is none.
    const RecordedMessage* answer(std::size_t i) const {
        const bool answered = i + 1 < messages().size() && messages()[i + 1].sender == Sender::server;
        return answered ? &messages()[i + 1] : nullptr;
    }
};

std::string encoded(const Request& request) {
    std::string out;
    append(out, request);
    return out;
}

std::string encoded(const Request& request, const Reply& reply) {
    std::string out;
    append(out, request.command, request.layout, reply);
    return out;
}

std::string describe(const DecodeResult& result) {
    return std::to_string(static_cast<int>(result.outcome)) + encoded(result.request) + result.problem;
}

TEST_P(TranscriptTest, server_understands_the_client_and_answers_with_the_same_bytes) {
    RequestDecoder decoder;
    for (std::size_t i = 0; i < messages().size(); ++i) {
        const RecordedMessage& message = messages()[i];
        SCOPED_TRACE(message.line);
        if (message.sender == Sender::server) {
            continue;
        }
        const DecodeResult result = decoder.decode(message.bytes);
        EXPECT_EQ(result.consumed, message.bytes.size());
        const RecordedMessage* recorded = answer(i);
        std::string reply;
        switch (result.outcome) {
            case Decoded::request: {
                ASSERT_TRUE(recorded);
                const auto decoded =
                    decode_reply(recorded->bytes, result.request.command, result.request.layout);
                EXPECT_EQ(decoded.outcome, ReplyDecoded::reply) << decoded.problem;
                reply = encoded(result.request, decoded.reply);
                break;
            }
            case Decoded::malformed: reply = encoded(result.request, Reply{Status::bad, 0, {}, {}}); break;
            case Decoded::unknown_request: append_unknown_request_reply(reply); break;
            case Decoded::no_request: break;
            case Decoded::incomplete:
            case Decoded::too_long: FAIL() << static_cast<int>(result.outcome);
        }
        EXPECT_EQ(reply, recorded ? recorded->bytes : "");
        if (message.sender == Sender::postfix_client) {
            EXPECT_EQ(result.outcome, Decoded::request) << result.problem;
            EXPECT_EQ(result.problem, "");
            EXPECT_EQ(encoded(result.request), message.bytes);
        }
    }
}

TEST_P(TranscriptTest, client_understands_the_server_and_asks_with_the_same_bytes) {
    const Transcript& transcript = GetParam();
    TableFlags flags{transcript.layout, transcript.caller.value_or(0), transcript.smtputf8};
    RequestDecoder decoder;
    for (std::size_t i = 0; i < messages().size(); ++i) {
        const RecordedMessage& message = messages()[i];
        SCOPED_TRACE(message.line);
        if (message.sender == Sender::server) {
            if (i == 0) {
                EXPECT_EQ(decode_greeting(message.bytes), GreetingDecoded::complete);
            }
            continue;
        }
        const DecodeResult sent = decoder.decode(message.bytes);
        const RecordedMessage* recorded = answer(i);
        if (sent.outcome != Decoded::request || !recorded) {
            continue;
        }
        const auto& [command, layout, table, instance_flags, request_flags, key, value, function] =
            sent.request;
        const auto reply = decode_reply(recorded->bytes, command, layout);
        EXPECT_EQ(reply.outcome, ReplyDecoded::reply) << reply.problem;
        EXPECT_EQ(reply.consumed, recorded->bytes.size());
        if (!transcript.caller) {
            continue;
        }
        if (command == Command::open) {
            EXPECT_EQ(encoded(flags.open(table)), message.bytes);
            flags.opened(reply.reply.flags);
        } else {
            EXPECT_EQ(encoded(flags.lookup(table, key)), message.bytes);
            flags.replied(reply.reply.flags);
        }
    }
}

TEST_P(TranscriptTest, a_reply_is_incomplete_until_its_last_byte) {
    RequestDecoder decoder;
    for (std::size_t i = 0; i < messages().size(); ++i) {
        if (messages()[i].sender == Sender::server) {
            continue;
        }
        const DecodeResult sent = decoder.decode(messages()[i].bytes);
        const RecordedMessage* recorded = answer(i);
        if (sent.outcome != Decoded::request || !recorded) {
            continue;
        }
        for (std::size_t size = 0; size < recorded->bytes.size(); ++size) {
            const auto cut = std::string_view{recorded->bytes}.substr(0, size);
            const auto result = decode_reply(cut, sent.request.command, sent.request.layout);
            EXPECT_EQ(result.outcome, ReplyDecoded::incomplete) << recorded->line << " cut to " << size;
            EXPECT_EQ(result.consumed, 0U);
        }
    }
}

// Decodes `bytes` as they arrive on a connection, in pieces that end at `splits`.
std::vector<std::string> decode_in_pieces(std::string_view bytes, const std::vector<std::size_t>& splits) {
    std::vector<std::string> seen;
    RequestDecoder decoder;
    std::string buffer;
    std::size_t arrived = 0;
    for (const std::size_t split : splits) {
        buffer += bytes.substr(arrived, split - arrived);
        arrived = split;
        while (true) {
            const DecodeResult result = decoder.decode(buffer);
            if (result.outcome == Decoded::incomplete) {
                EXPECT_EQ(result.consumed, 0U);
                break;
            }
            seen.push_back(describe(result));
            buffer.erase(0, result.consumed);
        }
    }
    EXPECT_EQ(buffer, "");
    return seen;
}

TEST_P(TranscriptTest, how_the_bytes_are_split_makes_no_difference) {
    const std::string bytes = GetParam().client_bytes();
    const auto whole = decode_in_pieces(bytes, {bytes.size()});
    EXPECT_EQ(whole.size(), std::ranges::count_if(messages(), [](const auto& message) {
                  return message.sender != Sender::server;
              }));
    std::vector<std::size_t> each_byte;
    for (std::size_t split = 1; split < bytes.size(); ++split) {
        EXPECT_EQ(decode_in_pieces(bytes, {split, bytes.size()}), whole) << "split at " << split;
        each_byte.push_back(split);
    }
    each_byte.push_back(bytes.size());
    EXPECT_EQ(decode_in_pieces(bytes, each_byte), whole);
}

INSTANTIATE_TEST_SUITE_P(all, TranscriptTest, testing::ValuesIn(all_transcripts()), [](const auto& test) {
    std::string name = test.param.name;
    std::ranges::replace_if(
        name, [](char c) { return c == '-' || c == '.'; }, '_');
    return name;
});

}  // namespace
}  // namespace proxyd::protocol
