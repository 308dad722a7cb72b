#include "protocol/message.h"

#include <array>
#include <charconv>
#include <limits>

#include "protocol/attributes.h"

namespace proxyd::protocol {

namespace {

void append_text(std::string& out, std::string_view name, std::string_view value) {
    out += name;
    out += '\0';
    // A NUL inside would end the attribute for the reader, and turn the rest into further attributes.
    out += value.substr(0, value.find('\0'));
    out += '\0';
}

void append_number(std::string& out, std::string_view name, std::uint32_t number) {
    std::array<char, std::numeric_limits<std::uint32_t>::digits10 + 1> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    append_text(out, name, {digits.data(), static_cast<std::size_t>(end - digits.data())});
}

}  // namespace

Flags echoed_flags(const Request& request) {
    switch (request.command) {
        case Command::update: return request.flags | flag::dup_replace | flag::sync_update;
        case Command::remove: return request.flags | flag::sync_update;
        case Command::open:
        case Command::lookup:
        case Command::sequence: break;
    }
    return request.flags;
}

void append(std::string& out, const Request& request) {
    append_text(out, "request", name(request.command));
    for (const Attribute attribute : request_form(request.command, request.layout)) {
        switch (attribute) {
            case Attribute::table: append_text(out, name(attribute), request.table); break;
            case Attribute::instance_flags:
                append_number(out, name(attribute), request.instance_flags);
                break;
            case Attribute::flags: append_number(out, name(attribute), request.flags); break;
            case Attribute::function:
                append_number(out, name(attribute), static_cast<std::uint32_t>(request.function));
                break;
            case Attribute::key: append_text(out, name(attribute), request.key); break;
            case Attribute::value: append_text(out, name(attribute), request.value); break;
            case Attribute::status:  // only in replies
                break;
        }
    }
    out += '\0';
}

void append(std::string& out, Command command, Layout layout, const Reply& reply) {
    for (const Attribute attribute : reply_form(command, layout)) {
        switch (attribute) {
            case Attribute::status:
                append_number(out, name(attribute), static_cast<std::uint32_t>(reply.status));
                break;
            case Attribute::flags: append_number(out, name(attribute), reply.flags); break;
            case Attribute::key: append_text(out, name(attribute), reply.key); break;
            case Attribute::value: append_text(out, name(attribute), reply.value); break;
            case Attribute::table:  // the rest only in requests
            case Attribute::instance_flags:
            case Attribute::function: break;
        }
    }
    out += '\0';
}

void append_around(std::string& out, std::string& value, Layout layout, const Reply& reply) {
    auto frame = reply;
    frame.value = {};
    append(out, Command::lookup, layout, frame);
    // The value comes last in both layouts: its end, and that of the message.
    constexpr std::size_t ends = 2;
    out.resize(out.size() - ends);
    if (const auto end = value.find('\0'); end != std::string::npos) value.resize(end);
    value.append(ends, '\0');
}

void append_unknown_request_reply(std::string& out) {
    append_number(out, name(Attribute::status), static_cast<std::uint32_t>(Status::bad));
    out += '\0';
}

}  // namespace proxyd::protocol
