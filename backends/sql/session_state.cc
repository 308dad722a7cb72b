#include "backends/sql/session_state.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "backends/sql/words.h"

namespace proxyd::sql {
namespace {

// A function's relation to the session.
struct SessionFunction {
    std::string_view name;
    std::string_view advice;  // "": it leaves only state that queries of other tables do not use
};

constexpr std::string_view advisory_lock =
    "takes a lock of the session, which is released after each lookup, in further round trips: use "
    "pg_advisory_xact_lock(), whose lock ends with the query";
constexpr std::string_view memory =
    "tells what the session did before, but all tables of the database share its connections: use RETURNING "
    "in the query that writes";

constexpr std::string_view any_query =
    "runs a query that cannot be seen here, so that the session is reset after each lookup, in further round "
    "trips";

constexpr auto in_pgsql =
    std::to_array<SessionFunction>({{"PG_ADVISORY_LOCK", advisory_lock},
                                    {"PG_ADVISORY_LOCK_SHARED", advisory_lock},
                                    {"PG_TRY_ADVISORY_LOCK", advisory_lock},
                                    {"PG_TRY_ADVISORY_LOCK_SHARED", advisory_lock},
                                    {"SET_CONFIG",
                                     "changes a setting of the session, which is undone after each lookup, "
                                     "in further round trips: with true "
                                     "as its third argument the setting ends with the query"},
                                    {"QUERY_TO_XML", any_query},
                                    {"QUERY_TO_XMLSCHEMA", any_query},
                                    {"QUERY_TO_XML_AND_XMLSCHEMA", any_query},
                                    {"SETSEED", "decides what random() gives, also to other tables"},
                                    {"CURRVAL", memory},
                                    {"LASTVAL", memory},
                                    {"NEXTVAL", ""},
                                    {"SETVAL", ""}});

constexpr auto in_mysql = std::to_array<SessionFunction>(
    {{"GET_LOCK",
      "takes a lock of the session, which is released after each lookup, in further round trips: rows are "
      "locked with SELECT ... FOR UPDATE, which ends with the query"},
     {"LAST_INSERT_ID",
      "is a value of the session, which is forgotten after each lookup, in further round trips: MariaDB has "
      "INSERT ... RETURNING"},
     {"LASTVAL", memory},
     {"NEXTVAL", ""},
     {"SETVAL", ""}});

constexpr std::string_view variable =
    ":= sets a variable of the session, which is forgotten after each lookup, in further round trips: a "
    "subquery or a window function needs none";

class Observer {
  public:
    Observer(const std::vector<SqlUnit>& units, const SqlTokens& lexed, SqlDialect dialect)
        : units_(units), tokens_(lexed.tokens), dialect_(dialect) {
        result_.left = lexed.executable_comment;
    }

    SessionState run() {
        bool any = false;
        for (std::size_t begin = 0; begin < tokens_.size();) {
            std::size_t end = begin;
            while (end < tokens_.size() && tokens_[end].kind != SqlTokenKind::semicolon) ++end;
            if (end > begin) {
                if (any || !ends_with_its_answer(begin, end)) result_.left = true;
                any = true;
            }
            begin = end + 1;
        }
        for (std::size_t i = 0; i < tokens_.size(); ++i) {
            if (tokens_[i].kind == SqlTokenKind::open && i > 0) called(i);
            if (dialect_ == SqlDialect::pgsql && (is_escaped_name(i) || sets_by_view(i))) noted("");
            if (dialect_ != SqlDialect::mysql) continue;
            if (assigns(i)) noted(std::string(variable));
            if (i > 0 && word(i - 1) == "NEXT" && word(i) == "VALUE") noted("");
        }
        return std::move(result_);
    }

  private:
    [[nodiscard]] std::string_view word(std::size_t i) const {
        return tokens_[i].kind == SqlTokenKind::word ? std::string_view(tokens_[i].text) : std::string_view();
    }

    [[nodiscard]] bool ends_with_its_answer(std::size_t begin, std::size_t end) const {
        static constexpr auto verbs = std::to_array<std::string_view>(
            {"SELECT", "WITH", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"});
        while (begin < end && tokens_[begin].kind == SqlTokenKind::open) ++begin;
        if (begin == end || !among(word(begin), verbs)) return false;
        for (std::size_t i = begin; i < end; ++i) {
            if (tokens_[i].kind == SqlTokenKind::bad) return false;
            if (word(i) == "INTO" && !belongs_to_writer(begin, i)) return false;
        }
        return true;
    }

    // The INTO of INSERT INTO, as opposed to SELECT ... INTO, which makes a table or sets a variable.
    [[nodiscard]] bool belongs_to_writer(std::size_t begin, std::size_t into) const {
        static constexpr auto writers = std::to_array<std::string_view>({"INSERT", "MERGE", "REPLACE"});
        static constexpr auto manners =
            std::to_array<std::string_view>({"LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "IGNORE"});
        std::size_t i = into;
        while (i > begin && among(word(i - 1), manners)) --i;
        return i > begin && among(word(i - 1), writers);
    }

    // In MySQL := is always an assignment.
    [[nodiscard]] bool assigns(std::size_t i) const {
        return i + 1 < tokens_.size() && tokens_[i].text == ":" && tokens_[i + 1].text == "=" &&
               tokens_[i].end == tokens_[i + 1].begin;
    }

    // U&"...", whose characters may be written as numbers.
    [[nodiscard]] bool is_escaped_name(std::size_t i) const {
        const bool quoted =
            tokens_[i].kind == SqlTokenKind::identifier || tokens_[i].kind == SqlTokenKind::double_quoted;
        return quoted && i > 1 && tokens_[i - 1].text == "&" && word(i - 2) == "U" &&
               tokens_[i - 1].end == tokens_[i].begin && tokens_[i - 2].end == tokens_[i - 1].begin;
    }

    // An UPDATE of this view is a SET. A SELECT from it changes nothing.
    [[nodiscard]] bool sets_by_view(std::size_t i) const {
        const auto is_update = [](const SqlToken& token) {
            return token.kind == SqlTokenKind::word && token.text == "UPDATE";
        };
        return name_at(i) == "PG_SETTINGS" && std::any_of(tokens_.begin(), tokens_.end(), is_update);
    }

    void called(std::size_t open) {
        const auto name = name_at(open - 1);
        const auto look_in = [&](const auto& functions) {
            const auto known = std::find_if(functions.begin(), functions.end(),
                                            [&name](const auto& one) { return one.name == name; });
            if (known == functions.end() || (name == "SET_CONFIG" && is_local(open))) return;
            noted(known->advice.empty() ? "" : fmt::format("{}() {}", in_lower_case(name), known->advice));
        };
        if (dialect_ == SqlDialect::pgsql) look_in(in_pgsql);
        if (dialect_ == SqlDialect::mysql) look_in(in_mysql);
    }

    // In capitals, without quotes; "" when it is no name.
    [[nodiscard]] std::string name_at(std::size_t i) const {
        const auto& token = tokens_[i];
        if (token.kind == SqlTokenKind::word) return token.text;
        if (token.kind != SqlTokenKind::identifier && token.kind != SqlTokenKind::double_quoted) return "";
        std::string name;
        for (std::size_t unit = token.begin + 1; unit + 1 < token.end; ++unit) {
            const char c = units_[unit].character;
            name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        }
        return name;
    }

    [[nodiscard]] std::string in_lower_case(std::string name) const {
        if (dialect_ == SqlDialect::pgsql) {
            for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        }
        return name;
    }

    // Whether the third argument of set_config() is plainly true.
    [[nodiscard]] bool is_local(std::size_t open) const {
        int depth = 0;
        int commas = 0;
        for (std::size_t i = open; i < tokens_.size(); ++i) {
            const auto kind = tokens_[i].kind;
            if (kind == SqlTokenKind::open) ++depth;
            if (kind == SqlTokenKind::comma && depth == 1) ++commas;
            if (kind == SqlTokenKind::close && --depth == 0) {
                return commas == 2 && word(i - 1) == "TRUE" && tokens_[i - 2].kind == SqlTokenKind::comma;
            }
        }
        return false;
    }

    void noted(std::string advice) {
        result_.left = true;
        auto& all = result_.advice;
        if (!advice.empty() && std::find(all.begin(), all.end(), advice) == all.end())
            all.push_back(std::move(advice));
    }

    const std::vector<SqlUnit>& units_;
    const std::vector<SqlToken>& tokens_;
    SqlDialect dialect_;
    SessionState result_;
};

}  // namespace

SessionState session_state(const std::vector<SqlUnit>& units, const SqlTokens& lexed, SqlDialect dialect) {
    // The file is open for reading only, and is opened anew after a statement that is no query.
    if (dialect == SqlDialect::sqlite) return {};
    return Observer(units, lexed, dialect).run();
}

}  // namespace proxyd::sql
