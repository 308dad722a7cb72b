#include "proxyd/control/check/parameter_check.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <mysql.h>
#include <strings.h>
#include <unistd.h>

#include "proxyd/control/check/continued_line.h"
#include "proxyd/control/check/other_name.h"
#include "proxyd/control/check/strange_character.h"

namespace proxyd::control {
namespace {

// A database name for an example of connection text. The real value may be connection text with a password,
// so it is not shown then.
std::string plain_dbname(const table::TableParameters& parameters) {
    const auto name = parameters.text("dbname", "");
    return name.empty() || name.find_first_of("=: ") != std::string::npos ? "mail" : name;
}

class ParameterCheck {
  public:
    ParameterCheck(const TableTypeFacts& type, const table::TableParameters& parameters,
                   const std::string& file, Findings& findings)
        : type_(type), parameters_(parameters), file_(file), findings_(findings) {}

    [[nodiscard]] std::vector<Doubt> take_doubts() { return std::move(doubts_); }

    void check_names();
    void check_continuations();
    void check_tls();
    void check_limit();

  private:
    [[nodiscard]] std::string how_to_verify() const;
    [[nodiscard]] bool check_strange_name(const std::string& name);

    // Whether the type has parameters for TLS. Other types configure TLS in connection text.
    [[nodiscard]] bool has_tls_parameters() const { return type_.has_parameter("tls_verify_cert"); }

    const TableTypeFacts& type_;
    const table::TableParameters& parameters_;
    const std::string& file_;
    Findings& findings_;
    std::vector<Doubt> doubts_;
};

void ParameterCheck::check_names() {
    const std::vector<std::string_view> known(type_.parameter_names.begin(), type_.parameter_names.end());
    for (const auto& name : parameters_.names()) {
        if (type_.has_parameter(name)) continue;
        if (check_strange_name(name)) continue;
        const auto nearest = config::nearest_name(name, known);
        const bool of_tls = name.starts_with("tls_") || name.starts_with("ssl");
        if (of_tls && type_.file_parameter.empty() && (!has_tls_parameters() || nearest.empty())) {
            findings_.warning(file_, parameters_.line(name),
                              fmt::format("{} is not a parameter of {} tables and is ignored: the server's "
                                          "certificate is not verified by it. Write {}",
                                          name, type_.name, how_to_verify()));
            continue;
        }
        const auto instead = write_instead(type_.dialect, name);
        findings_.warning(file_, parameters_.line(name),
                          fmt::format("unknown parameter \"{}\" is ignored{}", name,
                                      !instead.empty()  ? ": write " + instead
                                      : nearest.empty() ? ""
                                                        : fmt::format(", did you mean \"{}\"?", nearest)));
    }
}

// Reports a name with an invisible character in it.
bool ParameterCheck::check_strange_name(const std::string& name) {
    constexpr std::array<std::string_view, 6> vital = {"hosts",  "user",   "password",
                                                       "dbname", "dbpath", "query"};
    const auto found = find_strange_character(name);
    if (!found) return false;
    std::string meant;
    std::size_t done = 0;
    for (auto next = found; next; next = find_strange_character(name, next->at + next->size)) {
        meant += name.substr(done, next->at - done);
        done = next->at + next->size;
    }
    meant += name.substr(done);
    const bool of_file = found->code == "U+FEFF" && found->at == 0;
    const bool lost = std::find(vital.begin(), vital.end(), meant) != vital.end();
    const int line = parameters_.line(name);
    doubts_.push_back(
        {{file_, line, lost ? Gravity::error : Gravity::warning,
          of_file ? fmt::format("{} at the beginning of the line makes \"{}\" an unknown parameter, which is "
                                "ignored: save the file without it (UTF-8 without BOM)",
                                describe(*found), meant)
                  : fmt::format("unknown parameter \"{}\" is ignored: the name holds {}, which one does not "
                                "see: write \"{}\"",
                                with_strange_characters_shown(name), describe(*found), meant)},
         !lost              ? Proof::none
         : meant == "query" ? Proof::query
                            : Proof::connection});
    return true;
}

std::string ParameterCheck::how_to_verify() const {
    constexpr std::string_view authorities = "/path/of/the/authorities.crt";
    if (has_tls_parameters())
        return fmt::format("\"tls_verify_cert = yes\" and \"tls_CAfile = {}\"", authorities);
    return fmt::format(
        "\"dbname = dbname={} sslmode=verify-full sslrootcert={}\", or the same as a URI in hosts",
        plain_dbname(parameters_), authorities);
}

// Reports lines that were meant to be parameters of their own.
void ParameterCheck::check_continuations() {
    for (const auto& name : parameters_.names()) {
        const auto inside = continued_parameter(name, parameters_.text(name, ""), type_.parameter_names);
        if (inside.empty()) continue;
        findings_.warning(
            file_, parameters_.line(name),
            fmt::format("the value of {0} holds the parameter {1}: a line that begins with white "
                        "space continues the one before; remove that from the line of {1}",
                        name, inside));
    }
}

void ParameterCheck::check_tls() {
    if (!has_tls_parameters()) return;
    for (const char* parameter : {"tls_CAfile", "tls_CApath", "tls_cert_file", "tls_key_file"}) {
        const auto path = parameters_.text(parameter);
        if (!path || access(path->c_str(), F_OK) == 0) continue;
        findings_.error(file_, parameters_.line(parameter),
                        fmt::format("{} = {}: {}", parameter, *path, std::strerror(errno)));
    }
    if (strcasecmp(parameters_.text("tls_verify_cert", "no").c_str(), "yes") == 0) return;
    for (const char* parameter : {"tls_CAfile", "tls_CApath"}) {
        if (!parameters_.text(parameter)) continue;
        // The version of MariaDB Connector/C; see TLS in proxyd_table(5).
        const bool verifies_names = mysql_get_client_version() >= 30400;
        findings_.warning(
            file_, parameters_.line(parameter),
            fmt::format("{} without tls_verify_cert = yes: a server that offers no TLS is talked to in "
                        "clear text. {}",
                        parameter,
                        verifies_names
                            ? "Where it offers TLS, its certificate must name the host"
                            : "From MariaDB Connector/C 3.4 (Debian 13) on, a certificate that does not "
                              "name the host is refused, by the stock server, too"));
    }
}

// Like the stock server, proxyd treats a negative number as no limit.
void ParameterCheck::check_limit() {
    const auto limit = parameters_.text("expansion_limit");
    if (!limit || !limit->starts_with('-')) return;
    findings_.warning(file_, parameters_.line("expansion_limit"),
                      fmt::format("expansion_limit = {} sets no limit: write 0 if that is meant", *limit));
}

}  // namespace

std::vector<Doubt> check_parameters(const TableTypeFacts& type, const table::TableParameters& parameters,
                                    const std::string& file, Findings& findings) {
    ParameterCheck check(type, parameters, file, findings);
    check.check_names();
    check.check_continuations();
    check.check_tls();
    check.check_limit();
    return check.take_doubts();
}

}  // namespace proxyd::control
