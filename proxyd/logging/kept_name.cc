#include "proxyd/logging/kept_name.h"

#include <cstddef>
#include <functional>

#include <fmt/format.h>

namespace proxyd::logging {
namespace {

constexpr std::size_t longest = 200;
constexpr std::size_t beginning = 150;  // the rest is for the length and the hash

}  // namespace

std::string kept_name(std::string_view name) {
    if (name.size() <= longest) return std::string(name);
    return fmt::format("{}...{}:{:x}", name.substr(0, beginning), name.size(),
                       std::hash<std::string_view>{}(name));
}

}  // namespace proxyd::logging
