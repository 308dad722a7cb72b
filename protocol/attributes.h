// The attributes of messages: their set, their order, and how they are read.
//
// On the wire a message is a list of name NUL value NUL pairs that ends with an empty name, that is with one
// more NUL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/message.h"

namespace proxyd::protocol {

enum class Attribute : std::uint8_t { status, table, instance_flags, flags, function, key, value };

[[nodiscard]] constexpr std::string_view name(Attribute attribute) {
    switch (attribute) {
        case Attribute::status: return "status";
        case Attribute::table: return "table";
        case Attribute::instance_flags: return "instance_flags";
        case Attribute::flags: return "flags";
        case Attribute::function: return "function";
        case Attribute::key: return "key";
        case Attribute::value: return "value";
    }
    return {};
}

// The attributes after `request`, and those of a reply, in wire order.
using Form = std::initializer_list<Attribute>;
[[nodiscard]] Form request_form(Command command, Layout layout);
[[nodiscard]] Form reply_form(Command command, Layout layout);

[[nodiscard]] std::optional<Command> find_command(std::string_view name);

// Walks the complete pairs of one message; stops at its end or where the bytes end.
class AttributeReader {
  public:
    explicit AttributeReader(std::string_view message) : rest_(message) {}

    // Moves to the next pair; false when there is none.
    bool next();
    [[nodiscard]] std::string_view name() const { return name_; }
    [[nodiscard]] std::string_view value() const { return value_; }

    // Moves to the next pair, which must be this attribute; otherwise problem() gives the reason.
    [[nodiscard]] bool take(Attribute wanted);
    [[nodiscard]] bool take_number(Attribute wanted, std::uint32_t& number);
    // Notes in problem() data after the last wanted attribute, which readers of this protocol ignore.
    void ignore_rest();

    [[nodiscard]] std::string& problem() { return problem_; }

  private:
    std::string_view rest_;
    std::string_view name_;
    std::string_view value_;
    std::string problem_;
};

// A decimal number as the protocol reads it: leading white space and a sign are accepted. Of a number that is
// too large (or negative) the low 32 bits count. Nothing else may precede or follow the digits.
[[nodiscard]] std::optional<std::uint32_t> parse_number(std::string_view text);

// Finds the ends of messages, in bytes that arrive in pieces.
class MessageScanner {
  public:
    // The length of the first message in `buffer`, with its final NUL; no value while it is incomplete. The
    // next call must pass the same bytes, possibly followed by more.
    [[nodiscard]] std::optional<std::size_t> end_of_message(std::string_view buffer);
    // Forgets the message, so that the next call starts a new one.
    void restart() { *this = {}; }
    // Whether nothing of a message has been scanned.
    [[nodiscard]] bool at_start() const { return scanned_ == 0; }

  private:
    std::size_t scanned_ = 0;
    bool in_value_ = false;
};

// `text` in quotes for a log line: cut to a readable length, and without characters that could upset a
// terminal.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace proxyd::protocol
