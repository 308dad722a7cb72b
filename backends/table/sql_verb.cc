#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>

#include "backends/table/sql_literals.h"

namespace proxyd::table {
namespace {

// With which a statement of PostgreSQL, MySQL or MariaDB can begin. One that is missing here would be
// refused by the server behind EXPLAIN, and so be taken for a mistake.
constexpr auto verbs = std::to_array<std::string_view>(
    {"ABORT",     "ALTER",    "ANALYZE",  "ANALYSE",    "BACKUP",     "BEGIN",    "BINLOG",  "CACHE",
     "CALL",      "CHANGE",   "CHECK",    "CHECKPOINT", "CHECKSUM",   "CLOSE",    "CLUSTER", "COMMENT",
     "COMMIT",    "COPY",     "CREATE",   "DEALLOCATE", "DECLARE",    "DELETE",   "DESC",    "DESCRIBE",
     "DISCARD",   "DO",       "DROP",     "END",        "EXECUTE",    "EXPLAIN",  "FETCH",   "FLUSH",
     "GET",       "GRANT",    "HANDLER",  "HELP",       "IF",         "IMPORT",   "INSERT",  "INSTALL",
     "KILL",      "LISTEN",   "LOAD",     "LOCK",       "MERGE",      "MOVE",     "NOTIFY",  "OPEN",
     "OPTIMIZE",  "PREPARE",  "PURGE",    "REASSIGN",   "REFRESH",    "REINDEX",  "RELEASE", "RENAME",
     "REPAIR",    "REPLACE",  "RESET",    "RESIGNAL",   "RESTART",    "RETURN",   "REVOKE",  "ROLLBACK",
     "SAVEPOINT", "SECURITY", "SELECT",   "SET",        "SHOW",       "SHUTDOWN", "SIGNAL",  "START",
     "STOP",      "TABLE",    "TRUNCATE", "UNINSTALL",  "UNLISTEN",   "UNLOCK",   "UPDATE",  "USE",
     "VACUUM",    "VALUES",   "WITH",     "XA",         "FOR",        "WHILE",    "LOOP",    "REPEAT",
     "CASE",      "FORMAT",   "VERBOSE",  "EXTENDED",   "PARTITIONS", "CLONE"});

}  // namespace

bool is_safe_to_explain(const Template& query, const SqlAnalysis& analysis) {
    if (analysis.several_statements || query.parts.empty()) return false;
    if (!analysis.may_write) return true;
    // MySQL runs what stands in comments of the kind /*! */.
    const std::string_view text = query.source;
    if (text.find("/*") != std::string_view::npos) return false;
    std::string word;
    for (const char c : text) {
        if (std::isalpha(static_cast<unsigned char>(c)) == 0) break;
        word += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    return !word.empty() && std::find(verbs.begin(), verbs.end(), word) == verbs.end();
}

}  // namespace proxyd::table
