// The input is a query template. The statement with bound parameters must have the same tokens as the quoted
// text.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/sql/analysis.h"
#include "backends/sql/lexer.h"
#include "tests/fuzz/require.h"

namespace {

using namespace proxyd::sql;

// The tokens of a text, and the characters of each.
struct Tokens {
    Tokens(const std::string& text, SqlDialect dialect) {
        Template whole;
        whole.parts.push_back({text, std::nullopt, 0});
        tokens = sql_tokens(sql_units(whole), dialect).tokens;
        for (const SqlToken& token : tokens)
            texts.push_back(text.substr(token.begin, token.end - token.begin));
    }
    std::vector<SqlToken> tokens;
    std::vector<std::string> texts;
};

bool doubling(std::string_view value, std::string& out) {
    for (const char c : value) out.append(c == '\'' ? 2 : 1, c);
    return true;
}

void require_same_statement(const Template& query, const BoundStatement& bound, SqlDialect dialect,
                            const KeyParts& key) {
    const Tokens text(expand_query(query, key, doubling).value(), dialect);
    const Tokens statement(bound.text, dialect);
    require(statement.tokens.size() <= text.tokens.size());
    std::size_t parameter = 0;
    for (std::size_t i = 0; i < statement.tokens.size(); ++i) {
        if (statement.tokens[i].kind != SqlTokenKind::placeholder) {
            require(statement.texts[i] == text.texts[i]);
            continue;
        }
        require(parameter < bound.parameters.size());
        std::string literal = "'";
        require(doubling(parameter_value(bound.parameters[parameter++], key), literal));
        require(text.texts[i] == literal + "'");
    }
    require(parameter == bound.parameters.size());
    if (text.tokens.size() > statement.tokens.size())
        require(text.tokens[statement.tokens.size()].kind == SqlTokenKind::semicolon);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input{reinterpret_cast<const char*>(data), size};
    std::string error;
    const std::optional<Template> query = parse_template(input, error);
    if (!query) return 0;
    const std::string key = "it''s -- '/*'@d;.e$$\"`]";
    for (const SqlDialect dialect : {SqlDialect::pgsql, SqlDialect::mysql, SqlDialect::sqlite}) {
        const SqlAnalysis analysis = analyse(*query, dialect);
        require(analysis.bound.has_value() == analysis.why_not.empty());
        if (!analysis.bound) continue;
        require(!analysis.may_write && analysis.unquoted.empty());
        require(!analysis.several_statements || dialect == SqlDialect::sqlite);
        require_same_statement(*query, *analysis.bound, dialect, KeyParts(key));
    }
    return 0;
}
