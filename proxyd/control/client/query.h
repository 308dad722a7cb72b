// `proxyctl query`: lookups as `postmap -q` does them, asked of a running daemon.
#pragma once

#include <functional>
#include <iosfwd>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/message.h"

namespace proxyd::control {

// The query cannot continue. what() tells the user what to do.
class QueryError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// This user may not ask.
class QueryDenied : public QueryError {
  public:
    using QueryError::QueryError;
};

struct Answer {
    protocol::Status status = protocol::Status::retry;
    protocol::Flags flags = 0;
    std::string value;
};

// Sends a request and waits for its reply. Throws QueryError.
using Ask = std::function<Answer(const protocol::Request& request)>;

struct QuerySettings {
    std::string table;          // type:name, with or without proxy:
    bool smtputf8 = true;       // the client's smtputf8_enable
    std::string approval_hint;  // what to do when the table is not approved
    std::string log_hint;       // where the daemon says why a lookup failed
    // Returns the fault of the table itself, after a lookup has failed; "" when it has none. May be empty.
    std::function<std::string()> table_fault{};
    bool tell_misses = false;  // a key that is not found becomes a line of warnings
    // The layout of the server, as far as known. A server that rejects the first request as malformed, and
    // logs that, is asked in the other layout.
    protocol::Layout layout = protocol::Layout::flags;
};

// "", or the fault of a name that is no TYPE:NAME.
[[nodiscard]] std::string table_name_fault(std::string_view table);

// Prints the value of a single key on a line, and for several keys a `key TAB value` line for each key found.
// Returns the exit status: 0 found (any of them), 1 not. Throws QueryError at the first key that cannot be
// looked up.
[[nodiscard]] int query(const QuerySettings& settings, const std::vector<std::string>& keys, const Ask& ask,
                        std::ostream& out, std::ostream& warnings);

// The same with a key on each line of `keys`; always `key TAB value`.
[[nodiscard]] int query_lines(const QuerySettings& settings, std::istream& keys, const Ask& ask,
                              std::ostream& out, std::ostream& warnings);

}  // namespace proxyd::control
