// MySQL's and MariaDB's error numbers -> what the pool does about them.
#pragma once

#include <string_view>

#include "backends/cluster/phase.h"
#include "backends/mysql/handle.h"
#include "backends/pool/failure.h"

namespace proxyd::mysql {

// Where the error was met: most numbers mean another thing while connecting.
using cluster::Phase;

// `text` is the library's: for TLS it has one number for all that can go wrong.
[[nodiscard]] pool::FailureClass classify(unsigned error_number, Phase phase, std::string_view text);

// Not the server but the client library failed, which does not always say why (0). How much of the answer it
// has read is not known: what comes next could be taken for the answer to another query.
[[nodiscard]] bool is_of_library(unsigned error_number);

// The account may do nothing at all until an administrator does something about it: its password has expired,
// it is locked. Some servers let it log in and say so at its first statement.
[[nodiscard]] bool is_of_account(unsigned error_number);

// The parameter of the table that a failure to connect is about, "dbname", "user" or "charset"; "" when it
// is not certain.
[[nodiscard]] std::string_view parameter_at_fault(unsigned error_number);

// What an administrator can do about it, to be added to the message; "" when the message says it all. `text`
// is the server's or the library's.
[[nodiscard]] std::string_view hint(unsigned error_number, std::string_view text);

// What the last call on the handle failed with.
[[nodiscard]] pool::Failure failure_of(Handle& handle, Phase phase);

}  // namespace proxyd::mysql
