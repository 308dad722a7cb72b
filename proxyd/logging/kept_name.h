// Names by which the log tells what belongs together.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace proxyd::logging {

// A text that is kept for a later line is cut here: the log cuts lines at about this length.
inline constexpr std::size_t kept_text = 2000;  // bytes

// What is kept of a topic, subject or kind: the name itself, or of a long one the beginning with its length
// and a hash of the whole behind it, 200 bytes at most. Clients may make names as long as a request, and
// thousands are kept.
[[nodiscard]] std::string kept_name(std::string_view name);

}  // namespace proxyd::logging
