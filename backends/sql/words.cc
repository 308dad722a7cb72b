#include "backends/sql/words.h"

namespace proxyd::sql {
namespace {

// The words with which a statement of PostgreSQL, MySQL or MariaDB can begin. The server refuses a missing
// one after EXPLAIN, so the statement would be taken for a mistake.
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

bool expression_follows(std::string_view word, SqlDialect dialect) {
    static constexpr std::array<std::string_view, 15> everywhere = {
        "SELECT", "WHERE", "AND",  "OR", "NOT",    "LIKE",     "BETWEEN", "WHEN",
        "THEN",   "ELSE",  "CASE", "ON", "HAVING", "DISTINCT", "ESCAPE"};
    static constexpr std::array<std::string_view, 3> in_pgsql = {"ILIKE", "TO", "ALL"};
    static constexpr std::array<std::string_view, 5> in_mysql = {"REGEXP", "RLIKE", "DIV", "MOD", "XOR"};
    static constexpr std::array<std::string_view, 4> in_sqlite = {"REGEXP", "GLOB", "MATCH", "IS"};
    if (among(word, everywhere)) return true;
    switch (dialect) {
        case SqlDialect::pgsql: return among(word, in_pgsql);
        case SqlDialect::mysql: return among(word, in_mysql);
        case SqlDialect::sqlite: return among(word, in_sqlite);
    }
    return false;
}

bool operator_takes_expression(char c, SqlDialect dialect) {
    if (std::string_view("=<>!~+-*/%&|^").find(c) != std::string_view::npos) return true;
    return dialect == SqlDialect::pgsql && std::string_view("#@?[").find(c) != std::string_view::npos;
}

bool takes_any_type(std::string_view function) {
    static constexpr auto functions = std::to_array<std::string_view>(
        {"CONCAT", "CONCAT_WS", "FORMAT", "COUNT", "ROW", "PG_TYPEOF", "NUM_NULLS", "NUM_NONNULLS",
         "JSON_BUILD_OBJECT", "JSON_BUILD_ARRAY", "JSONB_BUILD_OBJECT", "JSONB_BUILD_ARRAY"});
    return among(function, functions);
}

bool is_plain_type(std::string_view type) {
    static constexpr std::array<std::string_view, 21> plain = {
        "TEXT",    "VARCHAR", "CHAR",    "CHARACTER", "BPCHAR", "NAME",   "CITEXT",
        "INT",     "INTEGER", "INT2",    "INT4",      "INT8",   "BIGINT", "SMALLINT",
        "NUMERIC", "BOOL",    "BOOLEAN", "INET",      "CIDR",   "UUID",   "BYTEA"};
    return among(type, plain);
}

bool only_computes(std::string_view word) {
    static constexpr auto words = std::to_array<std::string_view>({"ALL",
                                                                   "AND",
                                                                   "ANY",
                                                                   "ARRAY",
                                                                   "AS",
                                                                   "BETWEEN",
                                                                   "BY",
                                                                   "CASE",
                                                                   "CAST",
                                                                   "DISTINCT",
                                                                   "ELSE",
                                                                   "EXCEPT",
                                                                   "EXISTS",
                                                                   "EXTRACT",
                                                                   "FILTER",
                                                                   "FROM",
                                                                   "HAVING",
                                                                   "ILIKE",
                                                                   "IN",
                                                                   "INTERSECT",
                                                                   "JOIN",
                                                                   "LATERAL",
                                                                   "LIKE",
                                                                   "LIMIT",
                                                                   "NOT",
                                                                   "OFFSET",
                                                                   "ON",
                                                                   "OR",
                                                                   "OVER",
                                                                   "ROW",
                                                                   "SELECT",
                                                                   "SOME",
                                                                   "THEN",
                                                                   "UNION",
                                                                   "USING",
                                                                   "VALUES",
                                                                   "WHEN",
                                                                   "WHERE",
                                                                   "BTRIM",
                                                                   "CHAR",
                                                                   "CHARACTER",
                                                                   "COALESCE",
                                                                   "CONCAT",
                                                                   "CONCAT_WS",
                                                                   "COUNT",
                                                                   "FORMAT",
                                                                   "GREATEST",
                                                                   "LEAST",
                                                                   "LEFT",
                                                                   "LENGTH",
                                                                   "LOWER",
                                                                   "LPAD",
                                                                   "LTRIM",
                                                                   "MAX",
                                                                   "MD5",
                                                                   "MIN",
                                                                   "NOW",
                                                                   "NULLIF",
                                                                   "NUMERIC",
                                                                   "POSITION",
                                                                   "REPLACE",
                                                                   "REVERSE",
                                                                   "RIGHT",
                                                                   "RPAD",
                                                                   "RTRIM",
                                                                   "STRPOS",
                                                                   "SUBSTR",
                                                                   "SUBSTRING",
                                                                   "SPLIT_PART",
                                                                   "STRING_AGG",
                                                                   "SUM",
                                                                   "TRANSLATE",
                                                                   "TRIM",
                                                                   "UPPER",
                                                                   "VARCHAR",
                                                                   "ARRAY_AGG",
                                                                   "TO_CHAR",
                                                                   "UNNEST",
                                                                   "CHAR_LENGTH",
                                                                   "CHARACTER_LENGTH",
                                                                   "ARRAY_TO_STRING",
                                                                   "REGEXP_REPLACE"});
    return among(word, words);
}

bool is_verb(std::string_view word) {
    return among(word, verbs);
}

}  // namespace proxyd::sql
