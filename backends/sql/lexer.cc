#include "backends/sql/lexer.h"

#include <string_view>

namespace proxyd::sql {

namespace {

bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool starts_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}
bool continues_word(char c) {
    return starts_word(c) || is_digit(c) || c == '$';
}
char capital(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
}

class Lexer {
  public:
    Lexer(const std::vector<SqlUnit>& units, SqlDialect dialect) : units_(units), dialect_(dialect) {}

    SqlTokens run() {
        while (at_ < units_.size()) step();
        return std::move(result_);
    }

  private:
    bool is(std::size_t i, char c) const {
        return i < units_.size() && units_[i].specifier == nullptr && units_[i].character == c;
    }
    // NUL for a specifier and for the end: neither is part of a construct.
    char character(std::size_t i) const { return i < units_.size() ? units_[i].character : '\0'; }
    bool pgsql() const { return dialect_ == SqlDialect::pgsql; }
    bool mysql() const { return dialect_ == SqlDialect::mysql; }
    bool sqlite() const { return dialect_ == SqlDialect::sqlite; }

    void emit(SqlTokenKind kind, std::size_t end, bool backslash = false) {
        SqlToken token;
        token.kind = kind;
        token.begin = begin_;
        token.end = end;
        token.backslash = backslash;
        if (kind == SqlTokenKind::word || kind == SqlTokenKind::op)
            for (std::size_t i = begin_; i < end; ++i) token.text += capital(units_[i].character);
        result_.tokens.push_back(std::move(token));
        at_ = end;
    }

    void step() {
        begin_ = at_;
        if (units_[at_].specifier != nullptr) return emit(SqlTokenKind::specifier, at_ + 1);
        const char c = units_[at_].character;
        if (is_blank(c)) {
            ++at_;
        } else if (starts_line_comment()) {
            line_comment();
        } else if (c == '/' && is(at_ + 1, '*')) {
            block_comment();
        } else if (c == '\'') {
            quoted(c, literal_kind());
        } else if (c == '"') {
            quoted(c, mysql() ? SqlTokenKind::double_quoted : SqlTokenKind::identifier);
        } else if (c == '`' && !pgsql()) {
            quoted(c, SqlTokenKind::identifier);
        } else if (c == '[' && sqlite()) {
            bracketed();
        } else if (c == '$' && pgsql()) {
            dollar();
        } else if (starts_placeholder(c)) {
            std::size_t end = at_ + 1;
            while (continues_word(character(end))) ++end;
            emit(SqlTokenKind::placeholder, end);
        } else if (starts_word(c) || (c == '$' && mysql())) {
            std::size_t end = at_ + 1;
            while (continues_word(character(end))) ++end;
            emit(SqlTokenKind::word, end);
        } else if (is_digit(c)) {
            std::size_t end = at_ + 1;
            while (continues_word(character(end)) || character(end) == '.') ++end;
            emit(SqlTokenKind::number, end);
        } else {
            emit(punctuation(c), at_ + 1);
        }
    }

    static SqlTokenKind punctuation(char c) {
        switch (c) {
            case '(': return SqlTokenKind::open;
            case ')': return SqlTokenKind::close;
            case ',': return SqlTokenKind::comma;
            case ';': return SqlTokenKind::semicolon;
            case '\0': return SqlTokenKind::bad;
            default: return SqlTokenKind::op;
        }
    }

    bool starts_placeholder(char c) const {
        if (pgsql()) return false;
        if (c == '?') return true;
        return sqlite() && (c == ':' || c == '@' || c == '$' || c == '#') &&
               continues_word(character(at_ + 1));
    }

    bool starts_line_comment() const {
        if (mysql() && is(at_, '#')) return true;
        if (!is(at_, '-') || !is(at_ + 1, '-')) return false;
        // In MySQL a blank must follow "--": "5--3" is a subtraction.
        return !mysql() || at_ + 2 == units_.size() ||
               (units_[at_ + 2].specifier == nullptr &&
                static_cast<unsigned char>(units_[at_ + 2].character) <= ' ');
    }

    void line_comment() {
        for (; at_ < units_.size(); ++at_) {
            if (is(at_, '\n') || (pgsql() && is(at_, '\r'))) return;
            note_commented(at_);
        }
    }

    void block_comment() {
        if (mysql() && (is(at_ + 2, '!') || (is(at_ + 2, 'M') && is(at_ + 3, '!'))))
            result_.executable_comment = true;
        int depth = 1;
        for (at_ += 2; at_ < units_.size(); ++at_) {
            if (is(at_, '*') && is(at_ + 1, '/')) {
                ++at_;
                if (--depth > 0) continue;
                ++at_;
                return;
            }
            if (pgsql() && is(at_, '/') && is(at_ + 1, '*')) {
                ++at_;
                ++depth;
            }
            note_commented(at_);
        }
        if (!sqlite()) result_.open_comment = true;
    }

    void note_commented(std::size_t i) {
        if (units_[i].specifier != nullptr) result_.in_comments.push_back(units_[i].specifier);
    }

    // The kind of literal that begins at this quote, judged by the token that touches it on the left.
    SqlTokenKind literal_kind() const {
        if (result_.tokens.empty() || result_.tokens.back().end != begin_) return SqlTokenKind::literal;
        const SqlToken& before = result_.tokens.back();
        switch (before.kind) {
            case SqlTokenKind::word:
                if (pgsql() && before.text == "E") return SqlTokenKind::escape_literal;
                return SqlTokenKind::prefixed_literal;
            case SqlTokenKind::number:
            case SqlTokenKind::specifier:
            case SqlTokenKind::placeholder: return SqlTokenKind::prefixed_literal;
            case SqlTokenKind::op: break;
            default: return SqlTokenKind::literal;
        }
        if (!pgsql() || before.text != "&" || result_.tokens.size() < 2) return SqlTokenKind::literal;
        const SqlToken& first = result_.tokens[result_.tokens.size() - 2];
        const bool unicode =
            first.kind == SqlTokenKind::word && first.text == "U" && first.end == before.begin;
        return unicode ? SqlTokenKind::prefixed_literal : SqlTokenKind::literal;
    }

    void quoted(char quote, SqlTokenKind kind) {
        const bool escapes = kind == SqlTokenKind::escape_literal || (mysql() && quote != '`');
        bool backslash = false;
        for (std::size_t i = begin_ + 1; i < units_.size(); ++i) {
            if (is(i, '\\')) {
                backslash = true;
                if (escapes) ++i;
            } else if (is(i, quote)) {
                if (!is(i + 1, quote)) return emit(kind, i + 1, backslash);
                ++i;
            }
        }
        emit(SqlTokenKind::bad, units_.size());
    }

    void bracketed() {
        std::size_t i = begin_;
        while (i < units_.size() && !is(i, ']')) ++i;
        if (i == units_.size()) return emit(SqlTokenKind::bad, i);
        emit(SqlTokenKind::identifier, i + 1);
    }

    // $1, $$...$$ or $tag$...$tag$.
    void dollar() {
        std::size_t tag_end = begin_ + 1;
        if (is_digit(character(tag_end))) {
            while (is_digit(character(tag_end))) ++tag_end;
            return emit(SqlTokenKind::placeholder, tag_end);
        }
        if (starts_word(character(tag_end)))
            while (continues_word(character(tag_end)) && !is(tag_end, '$')) ++tag_end;
        if (!is(tag_end, '$')) return emit(SqlTokenKind::op, begin_ + 1);
        const std::size_t length = tag_end + 1 - begin_;
        for (std::size_t i = tag_end + 1; i + length <= units_.size(); ++i) {
            std::size_t same = 0;
            while (same < length && is(i + same, units_[begin_ + same].character)) ++same;
            if (same == length) return emit(SqlTokenKind::dollar_literal, i + length);
        }
        emit(SqlTokenKind::bad, units_.size());
    }

    const std::vector<SqlUnit>& units_;
    SqlDialect dialect_;
    std::size_t at_ = 0;
    std::size_t begin_ = 0;
    SqlTokens result_;
};

}  // namespace

std::vector<SqlUnit> sql_units(const Template& query) {
    std::vector<SqlUnit> units;
    units.reserve(query.source.size());
    for (const TemplatePart& part : query.parts) {
        for (const char c : part.text) units.push_back({c, nullptr});
        if (part.specifier) units.push_back({'\0', &part});
    }
    return units;
}

std::string specifier_text(const TemplatePart& part) {
    switch (*part.specifier) {
        case Specifier::value: return "%s";
        case Specifier::user: return "%u";
        case Specifier::domain: return "%d";
        case Specifier::key: return "%S";
        case Specifier::key_user: return "%U";
        case Specifier::key_domain: return "%D";
        case Specifier::label: break;
    }
    return "%" + std::to_string(part.label);
}

SqlTokens sql_tokens(const std::vector<SqlUnit>& units, SqlDialect dialect) {
    return Lexer(units, dialect).run();
}

}  // namespace proxyd::sql
