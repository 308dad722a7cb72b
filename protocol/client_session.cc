#include "protocol/client_session.h"

#include <fmt/format.h>

#include "protocol/attributes.h"

namespace proxyd::protocol {

namespace {

using namespace flag;

constexpr Flags fold = fold_fix | fold_mul;

bool take(AttributeReader& attributes, Attribute wanted, Reply& reply) {
    switch (wanted) {
        case Attribute::status: {
            std::uint32_t status = 0;
            if (!attributes.take_number(wanted, status)) {
                return false;
            }
            if (status > static_cast<std::uint32_t>(Status::config)) {
                attributes.problem() = fmt::format("unknown status {}", status);
                return false;
            }
            reply.status = static_cast<Status>(status);
            return true;
        }
        case Attribute::flags: return attributes.take_number(wanted, reply.flags);
        case Attribute::key:
        case Attribute::value:
            if (!attributes.take(wanted)) {
                return false;
            }
            (wanted == Attribute::key ? reply.key : reply.value) = attributes.value();
            return true;
        case Attribute::table:  // the rest only in requests
        case Attribute::instance_flags:
        case Attribute::function: break;
    }
    return false;
}

}  // namespace

ReplyResult decode_reply(std::string_view buffer, Command command, Layout layout, Limits limits) {
    return ReplyDecoder{limits}.decode(buffer, command, layout);
}

ReplyResult ReplyDecoder::decode(std::string_view buffer, Command command, Layout layout) {
    ReplyResult result;
    const auto length = scanner_.end_of_message(buffer.substr(0, limits_.message_bytes));
    if (!length) {
        if (buffer.size() > limits_.message_bytes) {
            scanner_.restart();
            result.outcome = ReplyDecoded::malformed;
            result.consumed = buffer.size();
            result.problem = fmt::format("reply of more than {} bytes", limits_.message_bytes);
        }
        return result;
    }
    scanner_.restart();
    result.consumed = *length;
    AttributeReader attributes{buffer.substr(0, *length)};
    for (const Attribute wanted : reply_form(command, layout)) {
        if (!take(attributes, wanted, result.reply)) {
            result.outcome = ReplyDecoded::malformed;
            result.problem = fmt::format("reply to {} request: {}", name(command), attributes.problem());
            return result;
        }
    }
    result.outcome = ReplyDecoded::reply;
    return result;
}

GreetingDecoded decode_greeting(std::string_view buffer) {
    if (buffer.starts_with(greeting)) {
        return GreetingDecoded::complete;
    }
    return greeting.starts_with(buffer) ? GreetingDecoded::incomplete : GreetingDecoded::other;
}

TableFlags::TableFlags(Layout layout, Flags caller, bool smtputf8)
    : layout_(layout),
      caller_(caller),
      table_(layout == Layout::flags ? caller & ~implementation : caller),
      wants_utf8_(smtputf8 && (caller & utf8_request) != 0),
      client_folds_(layout == Layout::flags && wants_utf8_) {}

Request TableFlags::open(std::string_view table) const {
    Request request;
    request.command = Command::open;
    request.layout = layout_;
    request.table = table;
    if (layout_ == Layout::flags) {
        request.flags = caller_ & ~(implementation | requested);
    } else {
        request.instance_flags = caller_;
    }
    return request;
}

void TableFlags::opened(Flags reply_flags) {
    if (layout_ == Layout::flags) {
        table_ = (caller_ & ~implementation) | (reply_flags & implementation);
        return;
    }
    table_ = reply_flags;
    client_folds_ = wants_utf8_ && (reply_flags & utf8_active) == 0;
    if (client_folds_) {
        table_ |= utf8_active;
    }
}

Request TableFlags::lookup(std::string_view table, std::string_view key) const {
    Request request = open(table);
    request.command = Command::lookup;
    request.key = key;
    if (layout_ == Layout::flags) {
        request.flags |= table_ & requested;
    } else {
        request.flags = table_;
    }
    if (client_folds_) {
        request.flags &= ~fold;  // done already: the server must not fold a second time
    }
    return request;
}

void TableFlags::replied(Flags reply_flags) {
    if (layout_ == Layout::instance_flags) {
        table_ = reply_flags;
    }
}

}  // namespace proxyd::protocol
