// Names by which the log tells what belongs together.
#pragma once

#include <string>
#include <string_view>

namespace proxyd::logging {

// What is kept of a topic, subject or kind: the name itself, or of a long one the beginning with its length
// and a hash of the whole behind it, 200 bytes at most. Clients may make names as long as a request, and
// thousands are kept.
[[nodiscard]] std::string kept_name(std::string_view name);

}  // namespace proxyd::logging
