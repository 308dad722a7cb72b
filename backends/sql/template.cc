#include "backends/sql/template.h"

#include <algorithm>

#include "backends/sql/folding.h"

namespace proxyd::sql {

namespace {

std::optional<Specifier> specifier_for(char letter) {
    switch (letter) {
        case 's': return Specifier::value;
        case 'u': return Specifier::user;
        case 'd': return Specifier::domain;
        case 'S': return Specifier::key;
        case 'U': return Specifier::key_user;
        case 'D': return Specifier::key_domain;
        default: break;
    }
    if (letter >= '1' && letter <= '9') return Specifier::label;
    return std::nullopt;
}

// The text for a specifier that names a part of the key.
std::string_view key_value(const KeyParts& key, const TemplatePart& part) {
    switch (*part.specifier) {
        case Specifier::key_user: return key.user;
        case Specifier::key_domain: return key.domain;
        case Specifier::label: return key.label(part.label);
        default: return key.key;
    }
}

void demand(KeyDemands& demands, const TemplatePart& part, bool of_key_only) {
    switch (*part.specifier) {
        case Specifier::user:
            if (of_key_only) break;
            [[fallthrough]];
        case Specifier::key_user: demands.user = true; break;
        case Specifier::domain:
            if (of_key_only) break;
            [[fallthrough]];
        case Specifier::key_domain: demands.domain = true; break;
        case Specifier::label:
            demands.domain = true;
            demands.labels = std::max(demands.labels, part.label);
            break;
        case Specifier::value:
        case Specifier::key: break;
    }
}

}  // namespace

std::optional<Template> parse_template(std::string_view source, std::string& error, std::size_t* at) {
    Template result;
    result.source = source;
    TemplatePart part;
    for (std::size_t i = 0; i < source.size(); ++i) {
        if (source[i] != '%') {
            part.text += source[i];
            continue;
        }
        if (at != nullptr) *at = i;
        if (++i == source.size()) {
            error = "a lone % at the end; a literal % is written %%";
            return std::nullopt;
        }
        if (source[i] == '%') {
            part.text += '%';
            continue;
        }
        part.specifier = specifier_for(source[i]);
        if (!part.specifier) {
            error = "%" + std::string(1, source[i]) +
                    " is not one of %s %u %d %S %U %D %1 ... %9; a literal % is written %%";
            return std::nullopt;
        }
        if (part.specifier == Specifier::label) part.label = source[i] - '0';
        result.parts.push_back(std::move(part));
        part = TemplatePart();
    }
    if (!part.text.empty()) result.parts.push_back(std::move(part));
    return result;
}

KeyDemands key_demands(const Template& query, const Template& result_format) {
    KeyDemands demands;
    for (const TemplatePart& part : query.parts)
        if (part.specifier) demand(demands, part, false);
    for (const TemplatePart& part : result_format.parts)
        if (part.specifier) demand(demands, part, true);
    return demands;
}

KeyParts::KeyParts(std::string_view text) : key(text) {
    const AddressParts parts = split_address(text);
    user = parts.user;
    domain = parts.domain;
    has_at = parts.has_at;
}

std::string_view KeyParts::label(int number) const {
    if (!labels_known_) {
        labels_known_ = true;
        auto rest = domain;
        for (auto next = labels_.begin(); next != labels_.end() && !rest.empty();) {
            const auto dot = rest.rfind('.');
            const auto found = dot == std::string_view::npos ? rest : rest.substr(dot + 1);
            if (!found.empty()) *next++ = found;
            rest = dot == std::string_view::npos ? std::string_view() : rest.substr(0, dot);
        }
    }
    return labels_[static_cast<std::size_t>(number - 1)];
}

bool suits(const KeyParts& key, const KeyDemands& demands) {
    if (key.key.empty()) return false;
    if (demands.domain && key.domain.empty()) return false;
    if (demands.user && key.user.empty()) return false;
    return demands.labels == 0 || !key.label(demands.labels).empty();
}

std::string_view query_value(const KeyParts& key, const TemplatePart& part) {
    switch (*part.specifier) {
        case Specifier::user: return key.user;
        case Specifier::domain: return key.domain;
        default: return key_value(key, part);
    }
}

bool write_query(const Template& query, const KeyParts& key, const Quote& quote, std::string& text) {
    text.clear();
    text.reserve(query.source.size() + 2 * key.key.size());
    for (const TemplatePart& part : query.parts) {
        text += part.text;
        if (part.specifier && !quote(query_value(key, part), text)) return false;
    }
    return true;
}

std::optional<std::string> expand_query(const Template& query, const KeyParts& key, const Quote& quote) {
    std::string text;
    if (!write_query(query, key, quote, text)) return std::nullopt;
    return text;
}

ResultCollector::Added ResultCollector::add(std::string_view value) {
    if (value.empty()) return Added::empty_value;
    AddressParts address;
    if (!gives_values_alone_) {
        address = split_address(value);
        for (const TemplatePart& part : format_.parts) {
            if (part.specifier == Specifier::domain && address.domain.empty()) return Added::skipped;
            if (part.specifier == Specifier::user && address.user.empty()) return Added::skipped;
        }
    }
    if (limit_ > 0 && count_ >= limit_) return Added::over_limit;
    ++count_;
    if (!result_.empty()) result_ += ',';
    if (gives_values_alone_) {
        result_ += value;
    } else {
        append_formatted(value, address.user, address.domain);
    }
    return result_.size() > most_bytes_ ? Added::too_large : Added::appended;
}

void ResultCollector::append_formatted(std::string_view value, std::string_view user,
                                       std::string_view domain) {
    for (const TemplatePart& part : format_.parts) {
        result_ += part.text;
        if (!part.specifier) continue;
        switch (*part.specifier) {
            case Specifier::value: result_ += value; break;
            case Specifier::user: result_ += user; break;
            case Specifier::domain: result_ += domain; break;
            default: result_ += key_value(key_, part); break;
        }
    }
}

}  // namespace proxyd::sql
