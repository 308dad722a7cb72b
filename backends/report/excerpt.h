// Of a long text so much as a message needs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace proxyd {

// The text itself, or of one of more than `most` bytes the beginning with "..." behind it, not ending within
// a UTF-8 sequence. For keys and names, which clients may make as long as a request.
[[nodiscard]] std::string excerpt(std::string_view text, std::size_t most = 256);

}  // namespace proxyd
