// White space as Postfix sees it in its files: that of the C locale.
#pragma once

#include <string_view>

namespace proxyd::config {

inline constexpr std::string_view white_space = " \t\r\n\v\f";

[[nodiscard]] constexpr bool is_space(char c) {
    return white_space.find(c) != std::string_view::npos;
}

}  // namespace proxyd::config
