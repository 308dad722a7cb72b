// `proxyctl flush`: has a running daemon forget answers.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace proxyd::control {

// Of the daemon that serves `socket`: all, or those of `table` (with or without proxy:) unless it is "", or
// of that those of `keys` unless there are none. Returns the exit status. Throws channel::AskError, with
// `socket_hint` when nobody is there.
[[nodiscard]] int flush(const std::string& socket, const std::string& socket_hint, const std::string& table,
                        const std::vector<std::string>& keys, std::ostream& out);

}  // namespace proxyd::control
