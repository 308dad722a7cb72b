#include "protocol/message.h"

#include <charconv>
#include <limits>

#include "protocol/attributes.h"

namespace proxyd::protocol {

namespace {

// Writes attributes at the end of a text, in room that is made for all of them together.
class Writer {
  public:
    // `values` are the bytes of all texts that will be written.
    Writer(std::string& out, std::size_t values) : out_(out), at_(out.size()) {
        out_.resize(at_ + values + room_for_the_rest);
    }
    ~Writer() { out_.resize(at_); }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    void text(std::string_view name, std::string_view value) {
        put(name);
        // A NUL inside would end the attribute for the reader, and turn the rest into further attributes.
        put(value.substr(0, value.find('\0')));
    }

    void number(Attribute attribute, std::uint32_t number) {
        put(name(attribute));
        char* const begin = out_.data() + at_;
        at_ += static_cast<std::size_t>(std::to_chars(begin, begin + most_digits, number).ptr - begin);
        end();
    }

    // The NUL that ends a text, or the message.
    void end() { out_[at_++] = '\0'; }

  private:
    static constexpr std::size_t most_digits = std::numeric_limits<std::uint32_t>::digits10 + 1;
    // For the names, the numbers and all NULs.
    static constexpr std::size_t room_for_the_rest = 128;

    void put(std::string_view text) {
        text.copy(out_.data() + at_, text.size());
        at_ += text.size();
        end();
    }

    std::string& out_;
    std::size_t at_;
};

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
    Writer writer(out, request.table.size() + request.key.size() + request.value.size());
    writer.text("request", name(request.command));
    for (const Attribute attribute : request_form(request.command, request.layout)) {
        switch (attribute) {
            case Attribute::table: writer.text(name(attribute), request.table); break;
            case Attribute::instance_flags: writer.number(attribute, request.instance_flags); break;
            case Attribute::flags: writer.number(attribute, request.flags); break;
            case Attribute::function:
                writer.number(attribute, static_cast<std::uint32_t>(request.function));
                break;
            case Attribute::key: writer.text(name(attribute), request.key); break;
            case Attribute::value: writer.text(name(attribute), request.value); break;
            case Attribute::status:  // only in replies
                break;
        }
    }
    writer.end();
}

void append(std::string& out, Command command, Layout layout, const Reply& reply) {
    Writer writer(out, reply.key.size() + reply.value.size());
    for (const Attribute attribute : reply_form(command, layout)) {
        switch (attribute) {
            case Attribute::status: writer.number(attribute, static_cast<std::uint32_t>(reply.status)); break;
            case Attribute::flags: writer.number(attribute, reply.flags); break;
            case Attribute::key: writer.text(name(attribute), reply.key); break;
            case Attribute::value: writer.text(name(attribute), reply.value); break;
            case Attribute::table:  // the rest only in requests
            case Attribute::instance_flags:
            case Attribute::function: break;
        }
    }
    writer.end();
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
    Writer writer(out, 0);
    writer.number(Attribute::status, static_cast<std::uint32_t>(Status::bad));
    writer.end();
}

}  // namespace proxyd::protocol
