// The part of a long text that a message needs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace proxyd {

// The text itself. Of a text of more than `most` bytes it is the beginning, followed by "...", and does not
// end within a UTF-8 sequence. For keys and names, which clients may make as long as a request.
[[nodiscard]] std::string excerpt(std::string_view text, std::size_t most = 256);

}  // namespace proxyd
