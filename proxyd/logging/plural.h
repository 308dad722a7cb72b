// Counts in messages for people.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

namespace proxyd {

// "1 table", "2 tables", "0 misses".
template <typename Count>
[[nodiscard]] std::string plural(Count count, std::string_view noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : noun.ends_with('s') ? "es" : "s");
}

}  // namespace proxyd
