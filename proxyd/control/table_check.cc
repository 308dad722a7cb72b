#include "proxyd/control/table_check.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/config/list.h"
#include "backends/mysql/table_backend.h"
#include "backends/pgsql/table_backend.h"
#include "backends/redact.h"
#include "backends/sqlite/table_backend.h"
#include "proxyd/options.h"

namespace proxyd::control {
namespace {

bool is_readable_by_all(const std::string& path) {
    struct stat status {};
    return stat(path.c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0;
}

std::string type_of(const std::string& table) {
    return table.substr(0, table.find(':'));
}

// Whether it is a path that is taken for a name of main.cf parameters.
bool is_relative_path(const std::string& name, const table::TableParameters& parameters) {
    if (parameters.where() != "main.cf" || name.find('/') == std::string::npos) return false;
    return !parameters.text("query") && !parameters.text("dbname") && !parameters.text("hosts") &&
           !parameters.text("dbpath") && !parameters.text("table");
}

}  // namespace

const std::vector<std::string_view>& common_parameter_names() {
    static const std::vector<std::string_view> names = {
        "query", "result_format", "domain",      "expansion_limit",
        "table", "select_field",  "where_field", "additional_conditions"};
    return names;
}

bool holds_password(std::string_view text) {
    return redact(text) != text;
}

TableCheck::TableCheck(table::TableSetOptions options, std::string main_cf_path, Findings& findings)
    : main_cf_(options.main_cf),
      main_cf_path_(std::move(main_cf_path)),
      findings_(findings),
      resolver_(loop_),
      tables_(loop_, std::move(options)) {
    add_backend("pgsql", std::make_unique<pgsql::TableBackend>(loop_, resolver_));
    add_backend("mysql", std::make_unique<mysql::TableBackend>(loop_, resolver_));
    add_backend("sqlite", std::make_unique<sqlite::TableBackend>(loop_));
}

void TableCheck::add_backend(const std::string& type, std::unique_ptr<table::TableBackend> backend) {
    auto& names = parameter_names_[type];
    for (const auto name : common_parameter_names()) names.emplace_back(name);
    for (const auto name : backend->parameter_names()) names.emplace_back(name);
    for (const auto& option : option_infos()) {
        if (option.per_table) names.emplace_back(option.name);
    }
    tables_.add_backend(type, std::move(backend));
}

std::string TableCheck::where(const table::TableParameters& parameters) const {
    return parameters.where() == "main.cf" ? main_cf_path_ : parameters.where();
}

void TableCheck::read(const std::string& name) {
    auto inspection = tables_.inspect(name);
    if (!inspection.members.empty()) {
        for (const auto& member : inspection.members) read(member);
        return;
    }
    if (!seen_.insert(name).second) return;
    if (!inspection.parameters) {
        for (const auto& error : inspection.errors) findings_.error(name, 0, error);
        return;
    }
    const auto& parameters = *inspection.parameters;
    const auto file = where(parameters);
    if (is_relative_path(name, parameters)) {
        const auto path = name.substr(name.find(':') + 1);
        findings_.error(
            file, 0,
            fmt::format("proxy:{0}: the name does not begin with \"/\", so that it is read as main.cf "
                        "parameters, {1}_query and others, and there are none: write the whole path",
                        name, path));
        return;
    }
    for (const auto& problem : parameters.errors()) {
        // Only the syntax of the file is read by people who cannot read it.
        const bool refused =
            problem.line == 0 && problem.message.find("Permission denied") != std::string::npos;
        findings_.error(file, problem.line,
                        refused                           ? problem.message + ": run this as root"
                        : parameters.where() == "main.cf" ? fmt::format("proxy:{}: {}", name, problem.message)
                                                          : problem.message);
    }
    for (const auto& problem : parameters.warnings()) findings_.warning(file, problem.line, problem.message);
    check_names(type_of(name), parameters);
    check_password(name, parameters);
    if (type_of(name) == "mysql") check_tls(parameters);
    read_domain_tables(parameters);
    if (inspection.table) usable_.push_back({name, file, std::move(inspection.table)});
}

void TableCheck::check_names(const std::string& type, const table::TableParameters& parameters) {
    const auto& known = parameter_names_.at(type);
    const std::vector<std::string_view> views(known.begin(), known.end());
    for (const auto& name : parameters.names()) {
        if (std::find(views.begin(), views.end(), name) != views.end()) continue;
        const auto nearest = config::nearest_name(name, views);
        findings_.warning(where(parameters), parameters.line(name),
                          fmt::format("unknown parameter \"{}\" is ignored{}", name,
                                      nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest)));
    }
}

void TableCheck::check_password(const std::string& name, const table::TableParameters& parameters) {
    const auto file = where(parameters);
    if (!is_readable_by_all(file)) return;
    for (const char* parameter : {"password", "hosts", "dbname"}) {
        const auto value = parameters.text(parameter);
        if (!value) continue;
        if (parameter != std::string_view("password") && !holds_password(*value)) continue;
        const bool in_main_cf = parameters.where() == "main.cf";
        findings_.warning(
            file, parameters.line(parameter),
            in_main_cf
                ? fmt::format(
                      "the password of {} can be read by all users: put the table into a file of its own",
                      name)
                : fmt::format("the password can be read by all users: chown root:postfix {0}; chmod 640 {0}",
                              file));
    }
}

void TableCheck::check_tls(const table::TableParameters& parameters) {
    const auto file = where(parameters);
    for (const char* parameter : {"tls_CAfile", "tls_CApath", "tls_cert_file", "tls_key_file"}) {
        const auto path = parameters.text(parameter);
        if (!path || access(path->c_str(), F_OK) == 0) continue;
        findings_.error(file, parameters.line(parameter),
                        fmt::format("{} = {}: {}", parameter, *path, std::strerror(errno)));
    }
    if (strcasecmp(parameters.text("tls_verify_cert", "no").c_str(), "yes") == 0) return;
    for (const char* parameter : {"tls_CAfile", "tls_CApath"}) {
        if (!parameters.text(parameter)) continue;
        findings_.warning(
            file, parameters.line(parameter),
            fmt::format("{} verifies nothing as long as tls_verify_cert = yes is missing", parameter));
    }
}

void TableCheck::read_domain_tables(const table::TableParameters& parameters) {
    for (const auto& item : config::split_list_with_braces(parameters.text("domain", ""))) {
        std::string_view name = item;
        while (name.starts_with('!')) name.remove_prefix(1);
        if (name.starts_with('/') || name.find(':') == std::string_view::npos) continue;
        if (serves(std::string(name))) read(std::string(name));
    }
}

void TableCheck::check_access(const master::Account& reader) {
    const master::BorrowedIdentity as_reader(reader);
    for (const auto& usable : usable_) {
        if (!usable.where.starts_with('/') || usable.where == main_cf_path_) continue;
        if (faccessat(AT_FDCWD, usable.where.c_str(), R_OK, AT_EACCESS) == 0) continue;
        findings_.error(
            usable.where, 0,
            fmt::format("user {0} (mail_owner) cannot read it: {1}. Try chown root:{0} {2}; chmod 640 "
                        "{2}, and look at the directories above",
                        reader.name, std::strerror(errno), usable.where));
    }
}

std::vector<std::string> TableCheck::reading_tables() const {
    std::vector<std::string> names;
    for (const auto& usable : usable_) {
        if (!usable.table->definition().analysis.may_write) names.push_back(usable.name);
    }
    return names;
}

void TableCheck::note_untried(const Usable& usable) {
    if (usable.table->runner().tries_query()) return;
    findings_.note(usable.where, 0,
                   "this query was not tried, as it may change data, or is more than one statement: the "
                   "database was only connected to");
}

void TableCheck::connect() {
    std::size_t open = usable_.size();
    for (const auto& usable : usable_) {
        // Long enough for one connection attempt, and its second try elsewhere.
        const auto& settings = usable.table->settings();
        const auto limit =
            std::min(settings.lookup_timeout, settings.connect_timeout + std::chrono::seconds(2));
        usable.table->runner().prepare_only({Clock::now() + limit},
                                            [this, &usable, &open](const pool::Outcome& outcome) {
                                                if (outcome.ok()) {
                                                    ++answering_;
                                                    note_untried(usable);
                                                } else {
                                                    findings_.error(usable.where, 0, outcome.failure.message);
                                                }
                                                if (--open == 0) loop_.stop();
                                            });
    }
    if (open > 0) loop_.run();
}

}  // namespace proxyd::control
