// MySQL's and MariaDB's error numbers -> the reaction of the pool.
#pragma once

#include <string_view>

#include "backends/cluster/phase.h"
#include "backends/mysql/handle.h"
#include "backends/pool/failure.h"

namespace proxyd::mysql {

// The phase of the error: most numbers have another meaning while connecting.
using cluster::Phase;

// `text` is the library's message: the library has one number for all TLS errors.
[[nodiscard]] pool::FailureClass classify(unsigned error_number, Phase phase, std::string_view text);

// Whether the client library failed, and not the server. The library does not always say why (0). It is not
// known how much of the answer the library has read: the next data could be taken for the answer to another
// query.
[[nodiscard]] bool is_of_library(unsigned error_number);

// Whether the account can do nothing until an administrator acts: its password has expired, or it is locked.
// Some servers let it log in and report this at its first statement.
[[nodiscard]] bool is_of_account(unsigned error_number);

// The table parameter that a failure to connect is about: "dbname", "user" or "charset"; "" when it is not
// certain.
[[nodiscard]] std::string_view parameter_at_fault(unsigned error_number);

// Advice for an administrator, to be added to the message; "" when the message is enough. `text` is the
// message of the server or the library.
[[nodiscard]] std::string_view hint(unsigned error_number, std::string_view text);

// The failure of the last call on the handle.
[[nodiscard]] pool::Failure failure_of(Handle& handle, Phase phase);

}  // namespace proxyd::mysql
