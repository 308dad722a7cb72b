#include "backends/sql/explain.h"

#include <cctype>
#include <string>
#include <string_view>

#include "backends/sql/words.h"

namespace proxyd::sql {

bool is_safe_to_explain(const Template& query, const SqlAnalysis& analysis) {
    if (analysis.several_statements || query.parts.empty()) return false;
    if (!analysis.may_write) return true;
    // MySQL executes the text of /*! */ comments.
    const std::string_view text = query.source;
    if (text.find("/*") != std::string_view::npos) return false;
    std::string word;
    for (const char c : text) {
        if (std::isalpha(static_cast<unsigned char>(c)) == 0) break;
        word += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    return !word.empty() && !is_verb(word);
}

}  // namespace proxyd::sql
