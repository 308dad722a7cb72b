#include "proxyd/control/check/meaning_check.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "backends/sql/lexer.h"
#include "proxyd/postfix/asked_keys.h"

namespace proxyd::control {
namespace {

using postfix::AskedKeys;
using postfix::KeyKind;
using postfix::OfEveryKey;

std::vector<std::string> specifiers(const sql::Template& text) {
    std::vector<std::string> found;
    for (const auto& part : text.parts) {
        if (!part.specifier) continue;
        auto name = sql::specifier_text(part);
        if (std::find(found.begin(), found.end(), name) == found.end()) found.push_back(std::move(name));
    }
    return found;
}

bool is_of_domain(std::string_view specifier) {
    return specifier == "%d" || specifier == "%D" || (specifier[1] >= '1' && specifier[1] <= '9');
}

bool is_of_user(std::string_view specifier) {
    return specifier == "%u" || specifier == "%U";
}

// "domains and parent domains, such as mail.example.com"
std::string described(const AskedKeys& asked) {
    std::vector<std::string_view> names;
    for (const auto kind : asked.kinds) {
        const auto name = postfix::name_of(kind);
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    const auto last = names.back();
    names.pop_back();
    return fmt::format("{}{}{}, as {}", fmt::join(names, ", "), names.empty() ? "" : " and ", last,
                       postfix::sample_key(asked.kinds.front()));
}

std::string of(const TableUse& use) {
    return use.asked_by.empty() || use.asked_by == use.parameter
               ? use.parameter
               : fmt::format("{} in {}", use.asked_by, use.parameter);
}

class MeaningCheck {
  public:
    MeaningCheck(const table::SqlDefinition& definition, const TablePlace& place, Findings& findings)
        : definition_(definition),
          place_(place),
          findings_(findings),
          in_query_(specifiers(definition.query)),
          in_format_(specifiers(definition.result_format)) {}

    void check(const TableUse& use, const AskedKeys& asked) {
        const auto has_at = [](KeyKind kind) {
            return postfix::sample_key(kind).find('@') != std::string_view::npos;
        };
        const bool some_found = std::any_of(asked.kinds.begin(), asked.kinds.end(),
                                            [this](KeyKind kind) { return can_find(kind); });
        if (!some_found) return tell_nothing_found(use, asked);
        if (in_query_.empty() && demands_nothing()) return tell_of_every_key(&use, asked.of_every_key);
        const bool only_user =
            !in_query_.empty() && std::all_of(in_query_.begin(), in_query_.end(), is_of_user);
        const bool addresses = std::any_of(asked.kinds.begin(), asked.kinds.end(), has_at);
        const bool local = asked.kinds.front() == KeyKind::local_part ||
                           asked.kinds.front() == KeyKind::unix_user ||
                           asked.kinds.front() == KeyKind::plain_local_part;
        if (!addresses && !local && std::any_of(in_query_.begin(), in_query_.end(), is_of_user))
            return tell_whole_key(use, asked);
        const bool domains =
            std::find(asked.kinds.begin(), asked.kinds.end(), KeyKind::domain) != asked.kinds.end();
        if (addresses && domains && only_user && definition_.domains.empty()) tell_users_of_all_domains(use);
    }

    // Checks a table whose use is unknown.
    void check_alone() {
        if (in_query_.empty() && demands_nothing()) tell_of_every_key(nullptr, OfEveryKey::odd);
    }

  private:
    [[nodiscard]] bool can_find(KeyKind kind) const {
        const auto key = postfix::sample_key(kind);
        return sql::suits(sql::KeyParts(key), definition_.demands) &&
               (definition_.domains.empty() || table::listed_domain(key).has_value());
    }

    [[nodiscard]] bool demands_nothing() const {
        const auto& demands = definition_.demands;
        return !demands.domain && !demands.user && demands.labels == 0 && definition_.domains.empty();
    }

    void tell_nothing_found(const TableUse& use, const AskedKeys& asked) {
        std::vector<std::string> causes;
        std::copy_if(in_query_.begin(), in_query_.end(), std::back_inserter(causes), is_of_domain);
        int line = place_.query_line;
        std::string advice = "write %s for the whole key";
        if (causes.empty()) {
            for (const auto& one : in_format_) {
                if (one == "%D" || one == "%U" || (one[1] >= '1' && one[1] <= '9')) causes.push_back(one);
            }
            advice = "remove it from result_format";
            line = place_.format_line;
        }
        std::string cause = fmt::format("{} stands for the domain of an address, which they have not",
                                        fmt::join(causes, ", "));
        if (causes.empty()) {
            cause = "the domain parameter lets only addresses pass";
            advice = "remove it";
            line = place_.domain_line;
        }
        findings_.warning(place_.file, line,
                          fmt::format("{} finds nothing here: it asks for {}, and {}: {}", of(use),
                                      described(asked), cause, advice));
    }

    void tell_of_every_key(const TableUse* use, OfEveryKey meaning) {
        if (meaning == OfEveryKey::usual) return;
        const auto right = "write '%s' in the query where it compares with the key";
        if (meaning == OfEveryKey::dangerous) {
            findings_.error(
                place_.file, place_.query_line,
                fmt::format("the query does not hold the key, so that {} matches everything that "
                            "it is asked for, or nothing: with it this server may be open to all: {}",
                            of(*use), right));
            return;
        }
        findings_.warning(
            place_.file, place_.query_line,
            fmt::format("the query does not hold the key, so that every key has the same answer{}: {}",
                        use == nullptr ? "" : fmt::format(" in {}", of(*use)), right));
    }

    void tell_whole_key(const TableUse& use, const AskedKeys& asked) {
        const auto user = *std::find_if(in_query_.begin(), in_query_.end(), is_of_user);
        findings_.warning(
            place_.file, place_.query_line,
            fmt::format("{} asks for {}, and there {} is the whole key, not a user's name: write "
                        "%s if the whole key is meant",
                        of(use), described(asked), user));
    }

    void tell_users_of_all_domains(const TableUse& use) {
        findings_.warning(
            place_.file, place_.query_line,
            fmt::format("{} asks for addresses and for domains: {} stands for the part before the "
                        "@ whatever the domain, so that addresses of all domains have the same "
                        "answer, and for the whole of a domain: write %s",
                        of(use), in_query_.front()));
    }

    const table::SqlDefinition& definition_;
    const TablePlace& place_;
    Findings& findings_;
    std::vector<std::string> in_query_;
    std::vector<std::string> in_format_;
};

}  // namespace

void check_meaning(const table::SqlDefinition& definition, const std::vector<TableUse>& uses,
                   const TablePlace& place, Findings& findings) {
    MeaningCheck check(definition, place, findings);
    bool known = false;
    for (const auto& use : uses) {
        if (!use.asks_keys) return;
        const auto* asked = postfix::find_asked_keys(use.asked_by.empty() ? use.parameter : use.asked_by);
        if (asked == nullptr) continue;
        known = true;
        check.check(use, *asked);
    }
    if (!known) check.check_alone();
}

}  // namespace proxyd::control
