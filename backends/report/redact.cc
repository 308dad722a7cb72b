#include "backends/report/redact.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace proxyd {
namespace {

constexpr std::string_view hidden = "***";
constexpr std::string_view blanks = " \t\r\n\v\f";

bool is_blank(char c) {
    return blanks.find(c) != std::string_view::npos;
}

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

bool ends_with_no_case(std::string_view text, std::string_view lower) {
    if (text.size() < lower.size()) {
        return false;
    }
    text.remove_prefix(text.size() - lower.size());
    return std::equal(text.begin(), text.end(), lower.begin(),
                      [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
}

bool names_a_password(std::string_view keyword) {
    // The keywords of libpq, and what people write instead.
    constexpr std::array endings{"password", "passwd", "passwort", "pasword", "passphrase", "pwd"};
    return std::any_of(endings.begin(), endings.end(),
                       [keyword](std::string_view ending) { return ends_with_no_case(keyword, ending); });
}

// The end of the value that starts at `at`: one past the closing quote, or the next blank. A backslash
// escapes the next byte. A quote that is never closed hides the rest.
std::size_t value_end(std::string_view text, std::size_t at) {
    const bool quoted = at < text.size() && text[at] == '\'';
    if (quoted) {
        ++at;
    }
    while (at < text.size()) {
        if (text[at] == '\\') {
            ++at;
        } else if (quoted ? text[at] == '\'' : is_blank(text[at])) {
            return quoted ? at + 1 : at;
        }
        ++at;
    }
    return text.size();
}

// The `@` that ends the user part of `rest` (what follows "://"), or npos when there is no user part.
std::size_t user_part_end(std::string_view rest) {
    const auto query = rest.find('?');
    const auto last = rest.rfind('@');
    if (last == std::string_view::npos || query == std::string_view::npos || last < query) {
        return last;
    }
    // An `@` after the `?` belongs to a query (`?user=a@b`), unless the text between them cannot be one.
    if (rest.substr(query, last - query).find('=') == std::string_view::npos) {
        return last;
    }
    const auto before = rest.rfind('@', query);
    if (before != std::string_view::npos) {
        return before;
    }
    // No user part before the query: then only digits may follow a colon, or it is a password with a raw `?`.
    const auto hosts = rest.substr(0, std::min(query, rest.find('/')));
    const auto colon = hosts.rfind(':');
    const auto port = colon == std::string_view::npos ? std::string_view{} : hosts.substr(colon + 1);
    const bool plain = port.find_first_not_of("0123456789,]") == std::string_view::npos ||
                       hosts.find('[') != std::string_view::npos;
    return plain ? std::string_view::npos : last;
}

// Parameters of a URI whose values may be shown. All others may be a misspelt password.
bool is_harmless(std::string_view keyword) {
    constexpr std::array names{"application_name",
                               "client_encoding",
                               "connect_timeout",
                               "dbname",
                               "host",
                               "hostaddr",
                               "options",
                               "port",
                               "sslmode",
                               "sslrootcert",
                               "target_session_attrs",
                               "user"};
    return std::find(names.begin(), names.end(), keyword) != names.end();
}

std::string redact_query(std::string_view query) {
    std::string out;
    while (!query.empty()) {
        const auto end = query.find('&');
        const auto item = query.substr(0, end);
        const auto equals = item.find('=');
        if (equals != std::string_view::npos && !is_harmless(item.substr(0, equals))) {
            out.append(item.substr(0, equals + 1)).append(hidden);
        } else {
            out.append(item);
        }
        if (end == std::string_view::npos) {
            break;
        }
        out += '&';
        query.remove_prefix(end + 1);
    }
    return out;
}

// One pass, so that a password that looks like a URI is still a password.
std::string redact_text(std::string_view text, bool uris) {
    std::string out;
    std::size_t at = 0;
    while (at < text.size()) {
        if (!is_word(text[at])) {
            out += text[at++];
            continue;
        }
        const auto start = at;
        while (at < text.size() && is_word(text[at])) {
            ++at;
        }
        const auto word = text.substr(start, at - start);
        if (uris && text.substr(at).starts_with("://")) {
            at = std::min(text.find_first_of(blanks, at), text.size());
            out.append(redact_uri(text.substr(start, at - start)));
            continue;
        }
        out.append(word);
        const auto equals = text.find_first_not_of(blanks, at);
        if (equals == std::string_view::npos || text[equals] != '=' || !names_a_password(word)) {
            continue;
        }
        const auto value = std::min(text.find_first_not_of(blanks, equals + 1), text.size());
        if (text.substr(value).starts_with(hidden)) continue;  // the text after it is no part of it
        out.append(text.substr(at, value - at)).append(hidden);
        at = value_end(text, value);
    }
    return out;
}

}  // namespace

std::string redact_uri(std::string_view uri) {
    const auto separator = uri.find("://");
    if (separator == std::string_view::npos) {
        return std::string(uri);
    }
    std::string out(uri.substr(0, separator + 3));
    auto rest = uri.substr(separator + 3);
    if (const auto end = user_part_end(rest); end != std::string_view::npos) {
        const auto colon = rest.find(':');
        if (colon < end) {
            out.append(rest.substr(0, colon + 1)).append(hidden);
        } else {
            out.append(rest.substr(0, end));
        }
        rest.remove_prefix(end);
    }
    const auto query = rest.find('?');
    out.append(rest.substr(0, query));
    if (query != std::string_view::npos) {
        out.append("?").append(redact_query(rest.substr(query + 1)));
    }
    return out;
}

std::string redact_host(std::string_view host) {
    if (host.find("://") != std::string_view::npos) return redact_uri(host);
    if (host.starts_with("unix:") || host.starts_with('/')) return std::string(host);
    std::string out;
    if (const auto at = host.rfind('@'); at != std::string_view::npos && at != 0) {
        out = hidden;
        host.remove_prefix(at);
    }
    const auto equals = host.find('=');
    if (equals == std::string_view::npos) return out.append(host);
    const auto keyword = host.substr(0, equals);
    if (names_a_password(keyword) || is_harmless(keyword)) out.append(keyword).append("=");
    return out.append(hidden);
}

std::string redact_host_and_port(std::string_view host) {
    auto shown = redact_host(host);
    if (shown != host || host.find("://") != std::string_view::npos) return shown;
    const auto prefix = host.starts_with("unix:") || host.starts_with("inet:") ? std::size_t{5} : 0;
    const auto rest = host.substr(prefix);
    if (rest.starts_with('/')) {
        return rest.find_first_of("@=") == std::string_view::npos ? shown : std::string(hidden);
    }
    const bool is_ipv6 = rest.find_first_not_of("0123456789abcdefABCDEF:.[]") == std::string_view::npos;
    const auto colon = rest.find(':');
    if (is_ipv6 || colon == std::string_view::npos) return shown;
    return shown.substr(0, prefix + colon + 1).append(hidden);
}

std::string redact_conninfo(std::string_view text) {
    return redact_text(text, false);
}

std::string redact(std::string_view text) {
    return redact_text(text, true);
}

std::string_view redactable_beginning(std::string_view text, std::size_t most) {
    if (text.size() <= most) return text;
    const bool ends_word = is_blank(text[most]);
    text = text.substr(0, most);
    if (ends_word) return text;
    const auto blank = text.find_last_of(blanks);
    const auto word = blank == std::string_view::npos ? 0 : blank + 1;
    constexpr std::string_view separator = "://";
    const auto found = text.find(separator, word);
    return found == std::string_view::npos ? text : text.substr(0, found + separator.size());
}

}  // namespace proxyd
