#include "protocol/attributes.h"

#include <array>
#include <utility>

#include <fmt/format.h>

namespace proxyd::protocol {

namespace {

constexpr std::size_t quoted_limit = 100;

constexpr std::array<std::pair<std::string_view, Command>, 5> commands{{
    {"open", Command::open},
    {"lookup", Command::lookup},
    {"update", Command::update},
    {"delete", Command::remove},
    {"sequence", Command::sequence},
}};

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

}  // namespace

std::string_view name(Command command) {
    for (const auto& [text, known] : commands) {
        if (known == command) {
            return text;
        }
    }
    return {};
}

std::optional<Command> find_command(std::string_view name) {
    for (const auto& [text, command] : commands) {
        if (text == name) {
            return command;
        }
    }
    return std::nullopt;
}

Form request_form(Command command, Layout layout) {
    using enum Attribute;
    static constexpr Form old_open{table, flags};
    static constexpr Form old_lookup{table, flags, key};
    static constexpr Form old_update{table, flags, key, value};
    static constexpr Form old_sequence{table, flags, function};
    static constexpr Form new_open{table, instance_flags};
    static constexpr Form new_lookup{table, instance_flags, flags, key};
    static constexpr Form new_update{table, instance_flags, flags, key, value};
    static constexpr Form new_sequence{table, instance_flags, flags, function};
    const bool old = layout == Layout::flags;
    switch (command) {
        case Command::open: return old ? old_open : new_open;
        case Command::lookup:
        case Command::remove: return old ? old_lookup : new_lookup;
        case Command::update: return old ? old_update : new_update;
        case Command::sequence: return old ? old_sequence : new_sequence;
    }
    return {};
}

Form reply_form(Command command, Layout layout) {
    using enum Attribute;
    static constexpr Form open{status, flags};
    static constexpr Form old_lookup{status, value};
    static constexpr Form old_update{status};
    static constexpr Form old_sequence{status, key, value};
    static constexpr Form new_lookup{status, flags, value};
    static constexpr Form new_update{status, flags};
    static constexpr Form new_sequence{status, flags, key, value};
    const bool old = layout == Layout::flags;
    switch (command) {
        case Command::open: return open;
        case Command::lookup: return old ? old_lookup : new_lookup;
        case Command::update:
        case Command::remove: return old ? old_update : new_update;
        case Command::sequence: return old ? old_sequence : new_sequence;
    }
    return {};
}

bool AttributeReader::next() {
    const std::size_t name_end = rest_.find('\0');
    if (name_end == 0 || name_end == std::string_view::npos) {
        return false;
    }
    const std::size_t value_end = rest_.find('\0', name_end + 1);
    if (value_end == std::string_view::npos) {
        return false;
    }
    name_ = rest_.substr(0, name_end);
    value_ = rest_.substr(name_end + 1, value_end - name_end - 1);
    rest_.remove_prefix(value_end + 1);
    return true;
}

bool AttributeReader::take(Attribute wanted) {
    const std::string_view wanted_name = protocol::name(wanted);
    if (!next()) {
        problem_ = fmt::format("attribute {} is missing", wanted_name);
        return false;
    }
    if (name_ != wanted_name) {
        problem_ = fmt::format("attribute {} where {} was expected", quoted(name_), wanted_name);
        return false;
    }
    return true;
}

bool AttributeReader::take_number(Attribute wanted, std::uint32_t& number) {
    if (!take(wanted)) {
        return false;
    }
    const auto parsed = parse_number(value_);
    if (!parsed) {
        problem_ = fmt::format("attribute {} is not a number: {}", protocol::name(wanted), quoted(value_));
        return false;
    }
    number = *parsed;
    return true;
}

void AttributeReader::ignore_rest() {
    if (next()) {
        problem_ = fmt::format("ignored attribute {} after the last expected one", quoted(name_));
    }
}

std::optional<std::uint32_t> parse_number(std::string_view text) {
    while (!text.empty() && is_space(text.front())) {
        text.remove_prefix(1);
    }
    bool negative = false;
    if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
        negative = text.front() == '-';
        text.remove_prefix(1);
    }
    if (text.empty()) {
        return std::nullopt;
    }
    std::uint32_t number = 0;
    for (const char c : text) {
        if (!is_digit(c)) {
            return std::nullopt;
        }
        // Unsigned arithmetic keeps the low 32 bits by itself, for any number of digits.
        number = number * 10U + static_cast<std::uint32_t>(c - '0');
    }
    return negative ? 0U - number : number;
}

std::optional<std::size_t> MessageScanner::end_of_message(std::string_view buffer) {
    while (scanned_ < buffer.size()) {
        // The previous byte is still there: if it is a NUL, this name begins here.
        const bool name_starts = !in_value_ && (scanned_ == 0 || buffer[scanned_ - 1] == '\0');
        if (name_starts && buffer[scanned_] == '\0') {
            return scanned_ + 1;
        }
        const std::size_t nul = buffer.find('\0', scanned_);
        if (nul == std::string_view::npos) {
            scanned_ = buffer.size();
            break;
        }
        scanned_ = nul + 1;
        in_value_ = !in_value_;
    }
    return std::nullopt;
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text.substr(0, quoted_limit)) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte >= 0x7f) {
            fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
        } else {
            out += c;
        }
    }
    out += text.size() > quoted_limit ? "\"..." : "\"";
    return out;
}

}  // namespace proxyd::protocol
