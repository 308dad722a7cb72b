// `proxyctl flush`: makes a running daemon forget answers.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace proxyd::control {

// The daemon that serves `socket` forgets all answers, or those of `table` (with or without proxy:) if it is
// not "", or of these only those of `keys` if there are any. Returns the exit status. Throws
// channel::AskError, with `socket_hint` when no daemon listens.
[[nodiscard]] int flush(const std::string& socket, const std::string& socket_hint, const std::string& table,
                        const std::vector<std::string>& keys, std::ostream& out);

}  // namespace proxyd::control
