#include "proxyd/postfix/version.h"

#include <charconv>
#include <tuple>

namespace proxyd::postfix {
namespace {

bool take_number(std::string_view& text, int& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || number < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

bool take(std::string_view& text, char wanted) {
    if (!text.starts_with(wanted)) return false;
    text.remove_prefix(1);
    return true;
}

}  // namespace

bool Version::at_least(int wanted_major, int wanted_minor, int wanted_patch) const {
    return std::tie(major, minor, patch) >= std::tie(wanted_major, wanted_minor, wanted_patch);
}

std::optional<Version> parse_version(std::string_view text) {
    Version version;
    if (!take_number(text, version.major) || !take(text, '.') || !take_number(text, version.minor)) {
        return std::nullopt;
    }
    if (take(text, '.') && !take_number(text, version.patch)) return std::nullopt;
    if (text.empty()) return version;
    if (!take(text, '-')) return std::nullopt;
    // A date marks a snapshot. Any other suffix ("RC1") marks a release candidate.
    constexpr std::size_t date_length = 8;
    version.snapshot = text.size() >= date_length &&
                       text.substr(0, date_length).find_first_not_of("0123456789") == std::string_view::npos;
    return version;
}

bool needs_greeting(const Version& version) {
    return version.at_least(3, 6);
}

protocol::Layout layout_of(const Version& version) {
    return version.at_least(3, 11) ? protocol::Layout::instance_flags : protocol::Layout::flags;
}

}  // namespace proxyd::postfix
