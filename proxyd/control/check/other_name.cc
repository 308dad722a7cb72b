#include "proxyd/control/check/other_name.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

namespace proxyd::control {
namespace {

struct OtherName {
    std::string_view name;    // in lower case, without '_' and '-'
    std::string_view server;  // the parameter of pgsql and mysql tables
    std::string_view sqlite;  // the one of sqlite tables; "": they have none
};

constexpr std::array other_names = {
    OtherName{"username", "user", ""},
    OtherName{"login", "user", ""},
    OtherName{"dbuser", "user", ""},
    OtherName{"role", "user", ""},
    OtherName{"uid", "user", ""},
    OtherName{"pass", "password", ""},
    OtherName{"passwd", "password", ""},
    OtherName{"pw", "password", ""},
    OtherName{"pwd", "password", ""},
    OtherName{"secret", "password", ""},
    OtherName{"dbpass", "password", ""},
    OtherName{"dbpassword", "password", ""},
    OtherName{"database", "dbname", "dbpath"},
    OtherName{"databasename", "dbname", "dbpath"},
    OtherName{"db", "dbname", "dbpath"},
    OtherName{"dbname", "dbname", "dbpath"},
    OtherName{"path", "", "dbpath"},
    OtherName{"file", "", "dbpath"},
    OtherName{"filename", "", "dbpath"},
    OtherName{"dbfile", "", "dbpath"},
    OtherName{"databasefile", "", "dbpath"},
    OtherName{"host", "hosts", ""},
    OtherName{"hostname", "hosts", ""},
    OtherName{"dbhost", "hosts", ""},
    OtherName{"server", "hosts", ""},
    OtherName{"servers", "hosts", ""},
    OtherName{"serverhost", "hosts", ""},
    OtherName{"hostaddr", "hosts", ""},
    OtherName{"address", "hosts", ""},
    OtherName{"sql", "query", "query"},
    OtherName{"select", "query", "query"},
    OtherName{"statement", "query", "query"},
    OtherName{"sqlquery", "query", "query"},
    OtherName{"queryfilter", "query", "query"},
    OtherName{"resultfilter", "result_format", "result_format"},
    OtherName{"format", "result_format", "result_format"},
    OtherName{"domains", "domain", "domain"},
    OtherName{"sizelimit", "expansion_limit", "expansion_limit"},
    OtherName{"limit", "expansion_limit", "expansion_limit"},
    OtherName{"where", "where_field", "where_field"},
    OtherName{"timeout", "lookup_timeout", "lookup_timeout"},
    OtherName{"querytimeout", "lookup_timeout", "lookup_timeout"},
};

std::string plain(std::string_view name) {
    std::string text;
    for (const char c : name) {
        if (c != '_' && c != '-') text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return text;
}

}  // namespace

std::string write_instead(sql::SqlDialect dialect, std::string_view name) {
    const auto wanted = plain(name);
    const bool pgsql = dialect == sql::SqlDialect::pgsql;
    const bool mysql = dialect == sql::SqlDialect::mysql;
    if (pgsql || mysql) {
        if (wanted == "port" || wanted == "dbport")
            return fmt::format("the port behind the host, as in \"hosts = 127.0.0.1:{}\"",
                               pgsql ? "5432" : "3306");
        if (wanted == "socket" || wanted == "unixsocket" || wanted == "socketdir")
            return fmt::format("the socket as a host, as in \"hosts = unix:{}\"",
                               pgsql ? "/run/postgresql" : "/run/mysqld/mysqld.sock");
        if (pgsql && (wanted == "charset" || wanted == "clientencoding" || wanted == "characterset"))
            return "\"encoding\"";
        if (mysql && (wanted == "encoding" || wanted == "characterset" || wanted == "clientencoding"))
            return "\"charset\"";
        if (pgsql && (wanted == "schema" || wanted == "searchpath"))
            return "the schema in front of the table's name, as in \"SELECT ... FROM mail.aliases\"";
        if (pgsql && (wanted == "options" || wanted == "service" || wanted == "targetsessionattrs" ||
                      wanted == "applicationname"))
            return fmt::format("it into connection text, as in \"dbname = dbname=mail {}=...\"", name);
    }
    for (const auto& other : other_names) {
        if (other.name != wanted) continue;
        const auto right = pgsql || mysql ? other.server : other.sqlite;
        return right.empty() ? "" : fmt::format("\"{}\"", right);
    }
    return {};
}

}  // namespace proxyd::control
