#include "protocol/request_decoder.h"

#include <utility>

#include <fmt/format.h>

#include "protocol/attributes.h"

namespace proxyd::protocol {

namespace {

// The attribute after the table tells the layouts apart. If it belongs to neither, a request that names
// instance flags anywhere came from a client that knows them and expects the reply in that form.
Layout find_layout(AttributeReader rest) {
    const std::string_view instance_flags = name(Attribute::instance_flags);
    if (rest.next() && rest.name() == name(Attribute::table) && rest.next()) {
        if (rest.name() == name(Attribute::flags)) {
            return Layout::flags;
        }
    }
    do {
        if (rest.name() == instance_flags) {
            return Layout::instance_flags;
        }
    } while (rest.next());
    return Layout::flags;
}

bool take(AttributeReader& attributes, Attribute wanted, Request& request) {
    switch (wanted) {
        case Attribute::instance_flags: return attributes.take_number(wanted, request.instance_flags);
        case Attribute::flags: return attributes.take_number(wanted, request.flags);
        case Attribute::function: {
            std::uint32_t function = 0;
            if (!attributes.take_number(wanted, function)) {
                return false;
            }
            if (function > static_cast<std::uint32_t>(SequenceFunction::next)) {
                attributes.problem() = fmt::format("unknown sequence function {}", function);
                return false;
            }
            request.function = static_cast<SequenceFunction>(function);
            return true;
        }
        case Attribute::table:
        case Attribute::key:
        case Attribute::value: break;
        case Attribute::status:  // only in replies
            return false;
    }
    if (!attributes.take(wanted)) {
        return false;
    }
    (wanted == Attribute::table ? request.table
     : wanted == Attribute::key ? request.key
                                : request.value) = attributes.value();
    return true;
}

// Decodes one whole message, or the complete attributes of a message that is cut off.
DecodeResult parse(std::string_view message) {
    DecodeResult result;
    AttributeReader attributes{message};
    if (!attributes.next() || attributes.name() != "request") {
        result.outcome = Decoded::no_request;
        result.problem = attributes.name().empty() ? "attribute request is missing"
                                                   : fmt::format("attribute {} where request was expected",
                                                                 quoted(attributes.name()));
        return result;
    }
    const auto command = find_command(attributes.value());
    if (!command) {
        result.outcome = Decoded::unknown_request;
        result.problem = fmt::format("unknown request {}", quoted(attributes.value()));
        return result;
    }
    Request& request = result.request;
    request.command = *command;
    request.layout = find_layout(attributes);
    for (const Attribute wanted : request_form(request.command, request.layout)) {
        if (!take(attributes, wanted, request)) {
            result.outcome = Decoded::malformed;
            result.problem = fmt::format("{} request: {}", name(*command), attributes.problem());
            return result;
        }
    }
    attributes.ignore_rest();
    if (!attributes.problem().empty()) {
        result.problem = fmt::format("{} request: {}", name(*command), attributes.problem());
    }
    result.outcome = Decoded::request;
    return result;
}

// Reads a message forwards, in one pass.
class Cursor {
  public:
    explicit Cursor(std::string_view buffer) : rest_(buffer) {}

    // Moves behind this text and its NUL, if they come next.
    [[nodiscard]] bool skip(std::string_view text) {
        if (rest_.size() <= text.size() || rest_[text.size()] != '\0' || !rest_.starts_with(text))
            return false;
        rest_.remove_prefix(text.size() + 1);
        return true;
    }

    // Moves behind the next text and its NUL. False: the NUL is not there.
    [[nodiscard]] bool take(std::string_view& text) {
        const auto end = rest_.find('\0');
        if (end == std::string_view::npos) return false;
        text = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        return true;
    }

    [[nodiscard]] bool take_number(Flags& number) {
        std::string_view text;
        if (!take(text)) return false;
        const auto parsed = parse_number(text);
        number = parsed.value_or(0);
        return parsed.has_value();
    }

    [[nodiscard]] std::size_t left() const { return rest_.size(); }

  private:
    std::string_view rest_;
};

// Reads what nearly every client sends: a whole lookup in the right form. False: it is something else.
bool read_lookup(std::string_view buffer, DecodeResult& result) {
    Request& request = result.request;
    Cursor cursor(buffer);
    if (!cursor.skip("request") || !cursor.skip("lookup")) return false;
    if (!cursor.skip(name(Attribute::table)) || !cursor.take(request.table)) return false;
    if (cursor.skip(name(Attribute::instance_flags))) {
        request.layout = Layout::instance_flags;
        if (!cursor.take_number(request.instance_flags)) return false;
    }
    if (!cursor.skip(name(Attribute::flags)) || !cursor.take_number(request.flags)) return false;
    if (!cursor.skip(name(Attribute::key)) || !cursor.take(request.key) || !cursor.skip("")) return false;
    result.outcome = Decoded::request;
    result.consumed = buffer.size() - cursor.left();
    return true;
}

}  // namespace

DecodeResult RequestDecoder::decode(std::string_view buffer) {
    if (scanner_.at_start()) {
        DecodeResult result;
        if (read_lookup(buffer.substr(0, limits_.message_bytes), result)) return result;
    }
    const auto length = scanner_.end_of_message(buffer.substr(0, limits_.message_bytes));
    if (length) {
        DecodeResult result = parse(buffer.substr(0, *length));
        result.consumed = *length;
        scanner_.restart();
        return result;
    }
    if (buffer.size() > limits_.message_bytes) {
        // Only the beginning is looked at, so the answer does not depend on how much more has arrived.
        DecodeResult result = parse(buffer.substr(0, limits_.message_bytes));
        result.outcome = Decoded::too_long;
        result.consumed = buffer.size();
        result.problem = fmt::format("request of more than {} bytes", limits_.message_bytes);
        scanner_.restart();
        return result;
    }
    return {};
}

}  // namespace proxyd::protocol
