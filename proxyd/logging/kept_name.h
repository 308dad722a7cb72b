// Names by which the log groups its lines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace proxyd::logging {

// A text that is kept for a later line is cut at this length: the log cuts lines at about the same.
inline constexpr std::size_t kept_text = 2000;  // bytes

// The stored form of a topic, subject or kind: the name itself, or of a long one its beginning, its length
// and a hash of the whole, 200 bytes at most. Clients may cause names as long as a request, and thousands are
// kept.
[[nodiscard]] std::string kept_name(std::string_view name);

}  // namespace proxyd::logging
