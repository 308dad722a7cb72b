// The typed requests and replies of the proxymap protocol, and their encoding.
//
// Three generations of Postfix speak three variants: before 3.6 (no greeting), 3.6 to 3.10 (greeting), and
// since 3.11 (greeting, and `instance_flags` beside `flags`). The greeting belongs to the connection; the
// layout belongs to each request, and a reply always has the layout of its request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/flags.h"

namespace proxyd::protocol {

// The greeting that a server since Postfix 3.6 sends once, right after accept(): 28 bytes.
inline constexpr std::string_view greeting{"protocol\0proxymap_protocol\0\0", 28};

// Whether the greeting is sent on a connection.
enum class Greeting : std::uint8_t {
    yes,    // Postfix 3.6 and later: clients wait for it
    no,     // earlier: clients take it for a reply
    probe,  // not known: a peer that stays silent for a moment waits for it, or does not send it
};

enum class Status : std::uint8_t {
    ok = 0,      // found, or done
    nokey = 1,   // not found
    retry = 2,   // cannot tell now: the client defers
    bad = 3,     // malformed request
    deny = 4,    // the table is not approved for this service
    config = 5,  // permanent error of the table
};

enum class Command : std::uint8_t { open, lookup, update, remove, sequence };

enum class Layout : std::uint8_t {
    flags,           // Postfix up to 3.10: one flag word in the request, none in the reply (except open)
    instance_flags,  // Postfix since 3.11: instance and request flags, and flags in each reply
};

enum class SequenceFunction : std::uint32_t { first = 0, next = 1 };

// One request. The views point into the buffer it was decoded from (or into the caller's own strings, when
// encoding).
struct Request {
    Command command = Command::lookup;
    Layout layout = Layout::flags;
    std::string_view table;    // "type:name", as sent: it may still start with "proxy:"
    Flags instance_flags = 0;  // only with Layout::instance_flags
    Flags flags = 0;           // with Layout::instance_flags not sent for open
    std::string_view key;      // lookup, update, remove
    std::string_view value;    // update
    SequenceFunction function = SequenceFunction::first;
};

// One reply. Which members are sent depends on the command and the layout; key and value are sent, empty,
// also when the status is not ok.
struct Reply {
    Status status = Status::retry;
    Flags flags = 0;
    std::string_view key;    // sequence
    std::string_view value;  // lookup, sequence
    // The holder of the value, if the receiver of the reply may take it; null: it may not.
    std::string* owned_value = nullptr;
};

// The flag word that a client of the newer layout finds in a reply, whatever the status, and adopts for its
// table; not for open. Only the statuses bad and deny, which end the client's use of the table, come with 0.
[[nodiscard]] Flags echoed_flags(const Request& request);

// The command's name on the wire ("open", "lookup", "update", "delete", "sequence").
[[nodiscard]] std::string_view name(Command command);

// Appends the encoded message to `out`. A text ends at its first NUL, as the wire has no way to carry one.
void append(std::string& out, const Request& request);
void append(std::string& out, Command command, Layout layout, const Reply& reply);

// Longer values are not copied into a message, and are counted while they are held.
inline constexpr std::size_t long_value = 65536;

// The reply to a lookup in two pieces, for a value that is too long to be copied: appends the part before the
// value to `out`, and turns the value itself into the rest of the message.
void append_around(std::string& out, std::string& value, Layout layout, const Reply& reply);

// Appends the reply to a request with an unknown name: only a status, in every layout.
void append_unknown_request_reply(std::string& out);

}  // namespace proxyd::protocol
