#include "backends/report/secrets.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "backends/report/redact.h"

namespace proxyd::cluster {
namespace {

constexpr std::size_t shortest_hidden = 4;
constexpr std::string_view stars = "***";

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ||
           static_cast<unsigned char>(c) > 0x7f;
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool coded = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
                           hex_value(text[i + 2]) >= 0;
        out += coded ? static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])) : text[i];
        if (coded) i += 2;
    }
    return out;
}

std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool plain =
            std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.' || c == '~';
        out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

std::string with_backslashes(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\' || c == '\'') out += '\\';
        out += c;
    }
    return out;
}

// Whether text[at, at + size) is not a part of a longer word.
bool is_whole(std::string_view text, std::size_t at, std::size_t size) {
    const bool begins = at == 0 || !is_word(text[at]) || !is_word(text[at - 1]);
    const auto end = at + size;
    return begins && (end == text.size() || !is_word(text[end - 1]) || !is_word(text[end]));
}

}  // namespace

void Secrets::add_public(std::string_view name) {
    if (!name.empty()) public_.emplace_back(name);
}

void Secrets::add(std::string_view password) {
    for (auto& form : {std::string(password), percent_decoded(password), percent_encoded(password),
                       with_backslashes(password)}) {
        const bool is_public = std::find(public_.begin(), public_.end(), form) != public_.end();
        if (form.size() >= shortest_hidden && !is_public) insert(form, std::string(stars));
    }
}

void Secrets::add_dbname(std::string_view dbname) {
    const auto shown = shown_dbname(dbname);
    if (shown == dbname) {
        add_public(dbname);
    } else {
        add_whole(std::string(dbname), shown);
    }
}

void Secrets::add_user(std::string_view user) {
    const auto colon = user.find(':');
    if (colon == std::string_view::npos) return;
    const bool has_at = user.find('@', colon) != std::string_view::npos;
    const auto password = has_at ? password_before_at(user) : user.substr(colon + 1);
    if (password.empty()) return;
    add(password);
    add_whole(std::string(user),
              has_at ? redact_host(user) : std::string(user.substr(0, colon + 1)).append(stars));
}

void Secrets::add_whole(std::string value, std::string shown) {
    insert(std::move(value), std::move(shown));
}

void Secrets::insert(std::string text, std::string shown) {
    if (std::any_of(secrets_.begin(), secrets_.end(), [&](const auto& one) { return one.text == text; }))
        return;
    secrets_.push_back({std::move(text), std::move(shown)});
    std::stable_sort(secrets_.begin(), secrets_.end(),
                     [](const auto& a, const auto& b) { return a.text.size() > b.text.size(); });
}

std::string Secrets::hide(std::string_view text) const {
    std::string out;
    std::size_t at = 0;
    while (at < text.size()) {
        const auto found = std::find_if(secrets_.begin(), secrets_.end(), [&](const auto& one) {
            return text.substr(at).starts_with(one.text) && is_whole(text, at, one.text.size());
        });
        if (found == secrets_.end()) {
            out += text[at++];
        } else {
            out += found->shown;
            at += found->text.size();
        }
    }
    return redact(out);
}

std::string shown_dbname(std::string_view dbname) {
    return std::string(dbname.find_first_of("=@: \t\r\n\v\f") == std::string_view::npos ? dbname : stars);
}

std::string_view password_before_at(std::string_view text) {
    const auto end = text.rfind('@');
    const auto begin = text.find(':');
    if (end == std::string_view::npos || begin == std::string_view::npos || begin > end) return {};
    return text.substr(begin + 1, end - begin - 1);
}

}  // namespace proxyd::cluster
