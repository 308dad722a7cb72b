#include "backends/sql/analysis.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>

#include "backends/sql/lexer.h"
#include "backends/sql/session_state.h"
#include "backends/sql/words.h"

namespace proxyd::sql {

namespace {

bool is_string(SqlTokenKind kind) {
    switch (kind) {
        case SqlTokenKind::literal:
        case SqlTokenKind::escape_literal:
        case SqlTokenKind::prefixed_literal:
        case SqlTokenKind::dollar_literal:
        case SqlTokenKind::double_quoted: return true;
        default: return false;
    }
}

class Analyser {
  public:
    Analyser(const Template& query, SqlDialect dialect)
        : dialect_(dialect), units_(sql_units(query)), lexed_(sql_tokens(units_, dialect)) {}

    SqlAnalysis run() {
        find_statements();
        collect_unquoted();
        find_writes();
        find_functions();
        check_whole();
        check_tokens();
        if (result_.why_not.empty()) bind();
        return std::move(result_);
    }

  private:
    using Token = SqlToken;
    using Kind = SqlTokenKind;
    struct Statement {
        std::size_t begin = 0;  // tokens
        std::size_t end = 0;
    };
    // The part of a SELECT that contains a token, as far as it matters.
    enum class Clause { other, select, from, by };
    struct Depth {  // of parentheses
        Clause clause = Clause::other;
        std::string_view word;  // before the opening one: a function's name
    };

    const std::vector<Token>& tokens() const { return lexed_.tokens; }

    void refuse(std::string why) {
        if (result_.why_not.empty()) result_.why_not = std::move(why);
    }

    std::vector<const TemplatePart*> specifiers(const Token& token) const {
        std::vector<const TemplatePart*> found;
        for (std::size_t i = token.begin; i < token.end; ++i)
            if (units_[i].specifier != nullptr) found.push_back(units_[i].specifier);
        return found;
    }

    void find_statements() {
        Statement statement;
        for (std::size_t i = 0; i <= tokens().size(); ++i) {
            if (i < tokens().size() && tokens()[i].kind != Kind::semicolon) continue;
            statement.end = i;
            if (statement.end > statement.begin) statements_.push_back(statement);
            statement.begin = i + 1;
        }
        result_.several_statements = statements_.size() > 1;
    }

    void collect_unquoted() {
        for (const Token& token : tokens()) {
            if (token.kind == Kind::double_quoted) {
                for (const TemplatePart* part : specifiers(token))
                    result_.double_quoted.push_back(specifier_text(*part));
            }
            const bool safe = token.kind == Kind::literal || token.kind == Kind::prefixed_literal ||
                              token.kind == Kind::double_quoted || token.kind == Kind::bad;
            if (safe) continue;
            for (const TemplatePart* part : specifiers(token))
                result_.unquoted.push_back(specifier_text(*part));
        }
        for (const TemplatePart* part : lexed_.in_comments) result_.unquoted.push_back(specifier_text(*part));
    }

    void find_writes() {
        if (lexed_.executable_comment) result_.may_write = true;
        // SQLite executes only the first statement.
        const std::size_t executed = dialect_ == SqlDialect::sqlite
                                         ? std::min<std::size_t>(1, statements_.size())
                                         : statements_.size();
        for (std::size_t i = 0; i < executed; ++i)
            if (writes(statements_[i])) result_.may_write = true;
        auto state = session_state(units_, lexed_, dialect_);
        result_.leaves_state = state.left || open_to_keys();
        result_.session_advice = std::move(state.advice);
    }

    // A key outside '...' can call any function that a query can call.
    bool open_to_keys() const {
        if (dialect_ == SqlDialect::sqlite) return false;
        if (!result_.unquoted.empty()) return true;
        // The library quotes only for '...'.
        return dialect_ == SqlDialect::pgsql &&
               std::any_of(tokens().begin(), tokens().end(), [this](const Token& token) {
                   return token.kind != Kind::literal && !specifiers(token).empty();
               });
    }

    void find_functions() {
        for (std::size_t i = 1; i < tokens().size(); ++i) {
            if (tokens()[i].kind != Kind::open) continue;
            const Token& before = tokens()[i - 1];
            const bool qualified = i > 1 && tokens()[i - 2].text == ".";
            const bool name = before.kind == Kind::word || before.kind == Kind::identifier;
            if (name && (qualified || before.kind != Kind::word || !only_computes(before.text)))
                result_.calls_functions = true;
        }
    }

    bool writes(const Statement& statement) const {
        static constexpr std::array<std::string_view, 4> readers = {"SELECT", "WITH", "VALUES", "TABLE"};
        static constexpr std::array<std::string_view, 4> changes = {"INSERT", "UPDATE", "DELETE", "MERGE"};
        static constexpr std::array<std::string_view, 4> locks = {"UPDATE", "SHARE", "NO", "KEY"};
        std::size_t first = statement.begin;
        while (first < statement.end && tokens()[first].kind == Kind::open) ++first;
        if (first == statement.end || tokens()[first].kind != Kind::word ||
            !among(tokens()[first].text, readers))
            return true;
        bool with = false;
        std::string_view before;
        for (std::size_t i = first; i < statement.end; ++i) {
            // Quoted names are never keywords.
            const std::string_view word =
                tokens()[i].kind == Kind::word ? std::string_view(tokens()[i].text) : std::string_view();
            if (word == "WITH") with = true;
            if (word == "INTO") return true;
            if (with && among(word, changes)) return true;
            if (before == "FOR" && among(word, locks)) return true;
            if (before == "LOCK" && word == "IN") return true;
            before = word;
        }
        return false;
    }

    void check_whole() {
        if (!result_.unquoted.empty()) refuse(result_.unquoted.front() + " stands outside '...'");
        if (lexed_.open_comment) refuse("a comment has no end");
        if (lexed_.executable_comment) refuse("a comment that the server executes");
        if (statements_.empty()) return refuse("no statement");
        if (statements_.front().begin != 0) refuse("a ';' before the statement");
        if (result_.several_statements && dialect_ != SqlDialect::sqlite) refuse("more than one statement");
        for (std::size_t i = statements_.front().end; i < tokens().size(); ++i)
            for (const TemplatePart* part : specifiers(tokens()[i]))
                refuse(specifier_text(*part) + " stands behind the first statement");
        if (result_.may_write) refuse("the statement is not one that only reads");
        if (result_.leaves_state) refuse("the statement may leave something in its session");
    }

    void check_tokens() {
        if (statements_.empty()) return;
        std::vector<Depth> depths(1);
        const Statement& statement = statements_.front();
        for (std::size_t i = statement.begin; i < statement.end; ++i) {
            const Token& token = tokens()[i];
            switch (token.kind) {
                case Kind::open: depths.push_back(entered(i, statement)); break;
                case Kind::close:
                    if (depths.size() > 1) depths.pop_back();
                    break;
                case Kind::word: enter_clause(token.text, depths.back().clause); break;
                case Kind::placeholder: refuse("the query has a parameter of its own"); break;
                case Kind::bad: refuse("a quoted text has no end, or there is a NUL"); break;
                default: break;
            }
            if (is_string(token.kind)) check_string(i, statement, depths);
        }
    }

    // "" when the statement ends earlier, or when the token there is of another kind.
    std::string_view word_at(std::size_t index, const Statement& statement) const {
        if (index < statement.begin || index >= statement.end || tokens()[index].kind != Kind::word)
            return {};
        return tokens()[index].text;
    }

    Depth entered(std::size_t open, const Statement& statement) const {
        Depth depth;
        if (open == statement.begin) return depth;
        depth.word = word_at(open - 1, statement);
        // DISTINCT ON (...) is compared with ORDER BY, and follows its rules.
        if (depth.word == "ON" && open >= statement.begin + 2 && word_at(open - 2, statement) == "DISTINCT")
            depth.clause = Clause::by;
        return depth;
    }

    static void enter_clause(std::string_view word, Clause& clause) {
        static constexpr std::array<std::string_view, 14> others = {
            "WHERE",  "HAVING", "LIMIT",     "OFFSET", "FETCH", "FOR",    "UNION",
            "EXCEPT", "ORDER",  "INTERSECT", "WINDOW", "GROUP", "VALUES", "PROCEDURE"};
        if (word == "BY")
            clause = Clause::by;
        else if (word == "FROM")
            clause = Clause::from;
        else if (word == "SELECT")
            clause = Clause::select;
        else if (among(word, others))
            clause = Clause::other;
    }

    void check_string(std::size_t index, const Statement& statement, const std::vector<Depth>& depths) {
        const Token& token = tokens()[index];
        // If the server reads backslashes differently from this lexer, even a literal without a specifier can
        // end elsewhere.
        if (token.backslash && token.kind == Kind::literal && dialect_ == SqlDialect::pgsql)
            backslash_ = true;
        if (token.backslash && dialect_ == SqlDialect::mysql)
            refuse("a backslash in a literal, which depends on the server's sql_mode");
        const std::vector<const TemplatePart*> held = specifiers(token);
        if (held.empty()) return;
        const std::string name = specifier_text(*held.front());
        if (token.kind != Kind::literal)
            return refuse(name + (token.kind == Kind::double_quoted
                                      ? " stands inside \"...\""
                                      : " stands inside a literal with a prefix"));
        const auto in_by = [](const Depth& depth) { return depth.clause == Clause::by; };
        if (std::any_of(depths.begin(), depths.end(), in_by))
            return refuse(name + " stands in GROUP BY, ORDER BY, PARTITION BY or DISTINCT ON");
        if (index == statement.begin) return refuse(name + " begins the statement");
        check_before(name, index, depths.back().clause);
        if (dialect_ == SqlDialect::pgsql) check_type(name, index, statement, depths.back().word);
        if (dialect_ == SqlDialect::mysql) check_width(name, statement, depths);
        if (index + 1 < statement.end) check_after(name, tokens()[index + 1]);
    }

    void check_before(const std::string& name, std::size_t index, Clause clause) {
        const Token& before = tokens()[index - 1];
        bool good = false;
        switch (before.kind) {
            case Kind::open: good = true; break;
            case Kind::comma: good = clause != Clause::from; break;
            case Kind::word: good = expression_follows(before.text, dialect_); break;
            case Kind::op:
                good = operator_takes_expression(before.text.front(), dialect_) && !json_arrow(index - 1);
                break;
            default: break;
        }
        if (!good) refuse("the literal with " + name + " does not stand where an expression begins");
    }

    // MySQL's -> and ->> accept only a literal.
    bool json_arrow(std::size_t index) const {
        const auto is = [&](std::size_t i, char c) {
            return tokens()[i].kind == Kind::op && tokens()[i].text.front() == c;
        };
        if (dialect_ != SqlDialect::mysql || !is(index, '>')) return false;
        while (index > 0 && is(index, '>')) --index;
        return is(index, '-');
    }

    void check_after(const std::string& name, const Token& after) {
        if (is_string(after.kind))
            return refuse("the literal with " + name + " is continued by another literal");
        if (after.kind == Kind::open || (after.kind == Kind::op && after.text == "."))
            refuse("the literal with " + name + " stands for a name");
    }

    // MariaDB fixes the width of such columns before it knows the parameter's value, and may cut the value.
    void check_width(const std::string& name, const Statement& statement, const std::vector<Depth>& depths) {
        const auto in_select = [](const Depth& depth) { return depth.clause == Clause::select; };
        const bool selected = std::any_of(depths.begin(), depths.end(), in_select);
        for (std::size_t i = statement.begin; i < statement.end; ++i) {
            const std::string_view word = word_at(i, statement);
            if (word == "VALUES" ||
                (selected && (word == "UNION" || word == "INTERSECT" || word == "EXCEPT")))
                refuse(name + " is a column of a UNION or of VALUES");
        }
    }

    // In PostgreSQL a literal gets its type from its surroundings. So does a parameter, but the result is not
    // the same everywhere.
    void check_type(const std::string& name, std::size_t index, const Statement& statement,
                    std::string_view function) {
        std::size_t before = index - 1;
        std::size_t after = index + 1;
        const bool whole_argument =
            (tokens()[before].kind == Kind::open || tokens()[before].kind == Kind::comma) &&
            after < statement.end &&
            (tokens()[after].kind == Kind::close || tokens()[after].kind == Kind::comma);
        if ((whole_argument && takes_any_type(function)) || word_at(after, statement) == "IS")
            refuse("the literal with " + name + " stands where nothing says which type it has");

        // Parentheses around a literal alone change nothing.
        while (before > statement.begin && tokens()[before].kind == Kind::open) --before;
        while (after < statement.end && tokens()[after].kind == Kind::close) ++after;
        // If the pattern is text, the planner can use an index; a bad pattern may then remain unnoticed.
        const std::string_view last = word_at(before, statement);
        if (last == "LIKE" || last == "ILIKE" || last == "TO" || is_op(before, '~', statement) ||
            (is_op(before, '*', statement) && is_op(before - 1, '~', statement)))
            refuse("the literal with " + name + " is a pattern, which PostgreSQL plans by its text");

        const bool cast =
            before + 1 < index && word_at(before, statement) == "CAST" && word_at(after, statement) == "AS";
        const bool colons = is_op(after, ':', statement) && is_op(after + 1, ':', statement);
        if ((cast && !is_plain_type(word_at(after + 1, statement))) ||
            (colons && !is_plain_type(word_at(after + 2, statement))))
            refuse("the literal with " + name + " is cast to a type for which text and parameter may differ");
    }

    bool is_op(std::size_t index, char c, const Statement& statement) const {
        return index < statement.end && tokens()[index].kind == Kind::op && tokens()[index].text.front() == c;
    }

    void bind() {
        const Statement& statement = statements_.front();
        BoundStatement bound;
        bound.backslash = backslash_;
        std::size_t done = 0;
        for (std::size_t i = statement.begin; i < statement.end; ++i) {
            const Token& token = tokens()[i];
            if (token.kind != Kind::literal || specifiers(token).empty()) continue;
            append(done, token.begin, bound.text);
            bound.parameters.push_back(parameter(token));
            bound.text += dialect_ == SqlDialect::pgsql ? "$" + std::to_string(bound.parameters.size()) : "?";
            done = token.end;
            // A token that touched the closing quote must not become part of the placeholder.
            if (i + 1 < statement.end && tokens()[i + 1].begin == done &&
                (tokens()[i + 1].kind == Kind::word || tokens()[i + 1].kind == Kind::number ||
                 is_op(i + 1, '$', statement)))
                bound.text += ' ';
        }
        // Comments stay; the ';' and the text after it are removed.
        append(done, statement.end < tokens().size() ? tokens()[statement.end].begin : units_.size(),
               bound.text);
        if (dialect_ == SqlDialect::mysql && bound.text.ends_with("--")) {
            refuse("without the ';' the \"--\" in front of it would be a comment");
            return;
        }
        result_.bound = std::move(bound);
    }

    void append(std::size_t begin, std::size_t end, std::string& text) const {
        for (std::size_t i = begin; i < end; ++i) text += units_[i].character;
    }

    BoundParameter parameter(const Token& token) const {
        BoundParameter parameter;
        TemplatePart part;
        for (std::size_t i = token.begin + 1; i + 1 < token.end; ++i) {
            if (units_[i].specifier == nullptr) {
                part.text += units_[i].character;
                if (units_[i].character == '\'') ++i;  // doubled
                continue;
            }
            part.specifier = units_[i].specifier->specifier;
            part.label = units_[i].specifier->label;
            parameter.parts.push_back(std::move(part));
            part = TemplatePart();
        }
        if (!part.text.empty()) parameter.parts.push_back(std::move(part));
        return parameter;
    }

    SqlDialect dialect_;
    std::vector<SqlUnit> units_;
    SqlTokens lexed_;
    std::vector<Statement> statements_;
    bool backslash_ = false;
    SqlAnalysis result_;
};

}  // namespace

SqlAnalysis analyse(const Template& query, SqlDialect dialect) {
    return Analyser(query, dialect).run();
}

}  // namespace proxyd::sql
