#include "proxyd/control/check/slips.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "proxyd/control/check/query_slips.h"
#include "proxyd/control/check/strange_character.h"

namespace proxyd::control {
namespace {

using sql::SqlDialect;

constexpr std::array<std::string_view, 6> sql_parameters = {
    "query", "select_function", "table", "select_field", "where_field", "additional_conditions"};
// Parameters that may hold any text, because the database does not read them.
constexpr std::array<std::string_view, 3> free_parameters = {"password", "result_format", "domain"};

template <std::size_t count>
bool among(std::string_view name, const std::array<std::string_view, count>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// The quotes around the value, if the two sides match: "", "straight" or "typographic".
std::string_view quotes_around(std::string_view value) {
    if (value.size() < 2) return {};
    if ((value.front() == '"' || value.front() == '\'') && value.front() == value.back()) return "straight";
    const auto first = find_strange_character(value);
    if (!first || first->at != 0 || first->kind != Strangeness::quotation) return {};
    for (auto next = first; next; next = find_strange_character(value, next->at + next->size)) {
        if (next->at > 0 && next->at + next->size == value.size() && next->kind == Strangeness::quotation)
            return "typographic";
    }
    return {};
}

// A '#' after white space, and the text after it.
std::string_view note_behind(std::string_view value) {
    for (auto at = value.find('#'); at != std::string_view::npos; at = value.find('#', at + 1)) {
        if (at > 0 && (value[at - 1] == ' ' || value[at - 1] == '\t')) return value.substr(at);
    }
    return {};
}

class SlipSearch {
  public:
    SlipSearch(SqlDialect dialect, const table::TableParameters& parameters, const std::string& file,
               const LineOf& line_of)
        : dialect_(dialect), parameters_(parameters), file_(file), line_of_(line_of) {}

    void look_at(std::string_view name) {
        const auto value = parameters_.text(name, "");
        if (value.empty()) return;
        look_for_quotes(name, value);
        look_for_note(name, value);
        if (among(name, sql_parameters)) {
            for (auto& slip : find_query_slips(dialect_, value, name == "query"))
                doubt(name, slip.gravity, std::move(slip.text));
            return;
        }
        look_for_strange_characters(name, value);
        look_for_semicolon(name, value);
    }

    [[nodiscard]] std::vector<Doubt> take() { return std::move(doubts_); }

  private:
    void doubt(std::string_view name, Gravity gravity, std::string text) {
        // Answers prove nothing about result_format and domain. One host that answers proves nothing about
        // the others.
        const bool unproven =
            name == "result_format" || name == "domain" || (name == "hosts" && gravity == Gravity::warning);
        doubts_.push_back({{file_, line_of_(name), gravity, std::move(text)},
                           among(name, sql_parameters) ? Proof::query
                           : unproven                  ? Proof::none
                                                       : Proof::connection});
    }

    // A warning for parameters that may hold any text: the value may be intended.
    static Gravity gravity_of(std::string_view name) {
        return among(name, free_parameters) ? Gravity::warning : Gravity::error;
    }

    void look_for_quotes(std::string_view name, std::string_view value) {
        const auto quotes = quotes_around(value);
        // The value may be a quoted constant or a quoted name.
        if (quotes.empty() || (among(name, sql_parameters) && name != "query")) return;
        doubt(name, gravity_of(name),
              fmt::format("the {}quotes around the value of {} are taken for a part of it: remove the quotes",
                          quotes == "typographic" ? "typographic " : "", parameters_.full_name(name)));
    }

    void look_for_note(std::string_view name, std::string_view value) {
        // MySQL reads it as a comment.
        if (dialect_ == SqlDialect::mysql && among(name, sql_parameters)) return;
        const auto note = note_behind(value);
        if (note.empty()) return;
        // A password may hold such text, so it is not shown.
        const auto shown = name == "password" || note.size() > 40 ? std::string("what begins with #")
                                                                  : fmt::format("\"{}\"", note);
        // The host before it is used nevertheless.
        doubt(name, name == "hosts" ? Gravity::warning : gravity_of(name),
              fmt::format("{} is a part of the value of {}, as comments have lines of their own: put it into "
                          "a line that begins with #",
                          shown, parameters_.full_name(name)));
    }

    void look_for_strange_characters(std::string_view name, std::string_view value) {
        const auto full_name = parameters_.full_name(name);
        const auto found = find_strange_character(value);
        if (!found || found->kind == Strangeness::quotation) return;
        const auto shown =
            name == "password" ? "" : fmt::format(": {}", with_strange_characters_shown(value));
        doubt(name, gravity_of(name),
              fmt::format(
                  "the value of {} holds {}, which one does not see{}: {}", full_name, describe(*found),
                  hidden(name, value) ? "" : shown,
                  found->kind == Strangeness::blank ? "write a plain space, or remove it" : "remove it"));
    }

    // Connection text and URIs may contain passwords.
    static bool hidden(std::string_view name, std::string_view value) {
        return (name == "dbname" || name == "hosts") && value.find_first_of("=@") != std::string_view::npos;
    }

    void look_for_semicolon(std::string_view name, std::string_view value) {
        if (!value.ends_with(';') || name == "result_format") return;
        doubt(name, gravity_of(name),
              fmt::format("the ';' at the end is taken for a part of the value of {}: remove it",
                          parameters_.full_name(name)));
    }

    SqlDialect dialect_;
    const table::TableParameters& parameters_;
    const std::string& file_;
    const LineOf& line_of_;
    std::vector<Doubt> doubts_;
};

}  // namespace

std::vector<Doubt> find_slips(SqlDialect dialect, const table::TableParameters& parameters,
                              const std::vector<std::string>& known, const std::string& file,
                              const LineOf& line_of) {
    SlipSearch search(dialect, parameters, file, line_of);
    const bool has_query = parameters.text("query").has_value();
    for (const auto& name : known) {
        // The query replaces all other parameters that make one.
        if (has_query && name != "query" && among(name, sql_parameters)) continue;
        search.look_at(name);
    }
    return search.take();
}

}  // namespace proxyd::control
