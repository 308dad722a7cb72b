#include "proxyd/control/check/query_slips.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "backends/sql/lexer.h"
#include "proxyd/control/check/strange_character.h"

namespace proxyd::control {
namespace {

using sql::SqlDialect;
using sql::SqlToken;
using sql::SqlTokenKind;

constexpr std::size_t context = 16;  // units shown on each side

class QuerySlipSearch {
  public:
    QuerySlipSearch(SqlDialect dialect, const sql::Template& query)
        : dialect_(dialect),
          source_(query.source),
          units_(sql::sql_units(query)),
          lexed_(sql::sql_tokens(units_, dialect)) {}

    void look_for_strange_characters() {
        bool quotation = false;
        bool unseen = false;
        for (const auto& token : lexed_.tokens) {
            // In quotes such characters may be intended.
            if (token.kind != SqlTokenKind::word && token.kind != SqlTokenKind::number) continue;
            const auto text = written(token.begin, token.end);
            for (auto found = find_strange_character(text); found;
                 found = find_strange_character(text, found->at + found->size)) {
                bool& told = found->kind == Strangeness::quotation ? quotation : unseen;
                if (told) continue;
                told = true;
                tell(*found, token);
            }
        }
    }

    void look_for_backticks() {
        if (dialect_ != SqlDialect::pgsql) return;
        for (const auto& token : lexed_.tokens) {
            if (token.text != "`") continue;
            add(Gravity::error,
                fmt::format("a backtick is no quotation mark for PostgreSQL, in {}: write '%s' "
                            "for a value, and a name without quotes",
                            around(token)));
            return;
        }
    }

    // The lines of a value are joined into one.
    void look_for_comment_alone() {
        const bool any = std::any_of(units_.begin(), units_.end(), [](const sql::SqlUnit& unit) {
            return unit.specifier != nullptr || !std::isspace(static_cast<unsigned char>(unit.character));
        });
        if (!any || !lexed_.tokens.empty() || lexed_.executable_comment) return;
        add(Gravity::error,
            fmt::format(
                "the query is nothing but a comment, {}: {}",
                excerpt(0, std::min(units_.size(), 2 * context)),
                source_.starts_with("/*")
                    ? "write a statement behind it"
                    : "all lines of a value are joined into one, which is a comment to its end; remove "
                      "the comment, or write it in /* */"));
    }

    void look_for_open_quote() {
        for (const auto& token : lexed_.tokens) {
            if (token.kind != SqlTokenKind::bad || units_[token.begin].specifier != nullptr) continue;
            const char quote = units_[token.begin].character;
            if (quote != '\'' && quote != '"' && quote != '`') continue;
            // The meaning of a backslash before a quote depends on the server's settings.
            const bool certain = source_.find('\\') == std::string::npos;
            add(certain ? Gravity::error : Gravity::warning,
                fmt::format("the quotation mark {} is opened and not closed, at {}: close it", quote,
                            excerpt(token.begin, std::min(token.end, token.begin + 2 * context))));
        }
    }

    [[nodiscard]] std::vector<QuerySlip> take() { return std::move(slips_); }

  private:
    void add(Gravity gravity, std::string text) { slips_.push_back({gravity, std::move(text)}); }

    void tell(const StrangeCharacter& found, const SqlToken& token) {
        if (found.kind == Strangeness::quotation) {
            add(Gravity::error,
                fmt::format(
                    "the typographic {} is no quotation mark for SQL, in {}: write the straight ', as "
                    "in '%s'",
                    describe(found), around(token)));
            return;
        }
        // "column AS name" with such a blank is valid, too: "AS name" is then the name of the column.
        const bool works = token.text.starts_with("AS") && found.at == 2;
        add(works ? Gravity::warning : Gravity::error,
            fmt::format("the query holds {}, which SQL takes for a letter, in {}: {}", describe(found),
                        around(token),
                        found.kind == Strangeness::blank ? "write a plain space" : "remove it"));
    }

    // The text as in the file, with its specifiers.
    [[nodiscard]] std::string written(std::size_t begin, std::size_t end) const {
        std::string text;
        for (std::size_t i = begin; i < end; ++i) {
            if (units_[i].specifier != nullptr) {
                text += sql::specifier_text(*units_[i].specifier);
            } else {
                text += units_[i].character;
            }
        }
        return text;
    }

    [[nodiscard]] std::string around(const SqlToken& token) const {
        return excerpt(token.begin - std::min(token.begin, context),
                       std::min(token.end + context, units_.size()));
    }

    // Does not cut a character.
    [[nodiscard]] std::string excerpt(std::size_t begin, std::size_t end) const {
        const auto inside = [this](std::size_t at) {
            return at < units_.size() && (static_cast<unsigned char>(units_[at].character) & 0xC0U) == 0x80U;
        };
        while (begin > 0 && inside(begin)) --begin;
        while (inside(end)) ++end;
        return fmt::format("\"{}{}{}\"", begin > 0 ? "..." : "",
                           with_strange_characters_shown(written(begin, end)),
                           end < units_.size() ? "..." : "");
    }

    SqlDialect dialect_;
    std::string source_;
    std::vector<sql::SqlUnit> units_;
    sql::SqlTokens lexed_;
    std::vector<QuerySlip> slips_;
};

}  // namespace

std::vector<QuerySlip> find_query_slips(SqlDialect dialect, std::string_view value, bool whole) {
    std::string error;
    const auto query = sql::parse_template(value, error);
    if (!query) return {};
    QuerySlipSearch search(dialect, *query);
    search.look_for_strange_characters();
    search.look_for_backticks();
    if (whole) search.look_for_open_quote();
    if (whole) search.look_for_comment_alone();
    return search.take();
}

}  // namespace proxyd::control
