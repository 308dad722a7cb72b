#include "backends/config/international_domain.h"

#include <algorithm>
#include <array>
#include <memory>

#include <unicode/uidna.h>

namespace proxyd::config {
namespace {

// Room for any domain name in either form.
constexpr std::size_t most_bytes = 1024;
constexpr std::size_t longest_domain = 255;
constexpr std::size_t longest_label = 63;

struct CloseIdna {
    void operator()(UIDNA* idna) const { uidna_close(idna); }
};

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool is_label(std::string_view label) {
    return !label.empty() && label.size() <= longest_label && label.front() != '-' && label.back() != '-' &&
           std::all_of(label.begin(), label.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      c == '-' || c == '_';
           });
}

bool is_host_name(std::string_view name) {
    if (name.size() > longest_domain) return false;
    while (true) {
        const auto dot = name.find('.');
        if (!is_label(name.substr(0, dot))) return false;
        if (dot == std::string_view::npos) return true;
        name.remove_prefix(dot + 1);
    }
}

using Convert = decltype(&uidna_nameToASCII_UTF8);

std::optional<std::string> convert(std::string_view domain, Convert convert_name) {
    UErrorCode error = U_ZERO_ERROR;
    const std::unique_ptr<UIDNA, CloseIdna> idna(
        uidna_openUTS46(UIDNA_NONTRANSITIONAL_TO_ASCII | UIDNA_NONTRANSITIONAL_TO_UNICODE, &error));
    if (U_FAILURE(error) != 0 || domain.size() > most_bytes) return std::nullopt;
    std::array<char, 4 * most_bytes> out{};
    UIDNAInfo info = UIDNA_INFO_INITIALIZER;
    const auto length = convert_name(idna.get(), domain.data(), static_cast<std::int32_t>(domain.size()),
                                     out.data(), static_cast<std::int32_t>(out.size()), &info, &error);
    if (U_FAILURE(error) != 0 || info.errors != 0) return std::nullopt;
    return std::string(out.data(), static_cast<std::size_t>(length));
}

}  // namespace

std::optional<std::string> domain_to_ascii(std::string_view domain) {
    if (domain.empty()) return std::nullopt;
    if (is_ascii(domain)) return std::string(domain);
    auto ascii = convert(domain, uidna_nameToASCII_UTF8);
    if (ascii && !is_host_name(*ascii)) return std::nullopt;
    return ascii;
}

std::optional<std::string> domain_to_utf8(std::string_view domain) {
    if (domain.empty() || !is_ascii(domain)) return std::string(domain);
    if (!is_host_name(domain)) return std::nullopt;
    return convert(domain, uidna_nameToUnicodeUTF8);
}

}  // namespace proxyd::config
