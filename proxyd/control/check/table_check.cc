#include "proxyd/control/check/table_check.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/config/list.h"
#include "backends/report/file_access_advice.h"
#include "backends/report/redact.h"
#include "backends/table/domain_list.h"
#include "backends/table_types.h"
#include "protocol/table_name.h"
#include "proxyd/config/options.h"
#include "proxyd/control/check/database_check.h"
#include "proxyd/control/check/file_access.h"
#include "proxyd/control/check/meaning_check.h"
#include "proxyd/control/check/parameter_check.h"
#include "proxyd/control/check/slips.h"
#include "proxyd/control/check/table_name_check.h"

namespace proxyd::control {

using protocol::TableName;

namespace {

bool is_readable_by_all(const std::string& path) {
    struct stat status {};
    return stat(path.c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0;
}

// Whether the caller has no permission to read a file.
bool is_refused(const std::string& problem) {
    return problem.find("Permission denied") != std::string::npos;
}

}  // namespace

// Redaction hides the value of every unknown URI option, even if it cannot be a password. So the values of
// harmless options are removed first.
bool holds_password(std::string_view text) {
    std::string rest;
    while (!text.empty()) {
        const auto begin = text.find_first_of("?&");
        rest += text.substr(0, begin);
        text.remove_prefix(std::min(begin, text.size()));
        const auto option = text.substr(0, text.find_first_of("?& \t,", 1));
        const auto equals = option.find('=');
        const auto name = option.substr(0, equals);
        const bool harmless = equals != option.npos && option.find('@') == option.npos &&
                              name.find("pass") == name.npos && name.find("pw") == name.npos;
        rest += harmless ? option.substr(0, equals) : option;
        text.remove_prefix(option.size());
    }
    return redact(rest) != rest;
}

TableCheck::TableCheck(table::TableSetOptions options, const config::ParameterFile& main_cf,
                       std::string main_cf_path, TableReader reader, Findings& findings)
    : main_cf_(main_cf),
      main_cf_path_(std::move(main_cf_path)),
      reader_(std::move(reader)),
      findings_(findings),
      resolver_(loop_),
      tables_(loop_, std::move(options)) {
    for (auto& [type, backend] : make_table_backends(loop_, resolver_)) add_backend(type, std::move(backend));
}

void TableCheck::add_backend(const std::string& type, std::unique_ptr<table::TableBackend> backend) {
    auto& facts = types_[type];
    facts.name = type;
    facts.dialect = backend->dialect();
    facts.file_parameter = backend->file_parameter();
    facts.takes_several_statements = backend->takes_several_statements();
    auto& names = facts.parameter_names;
    for (const auto name : table::common_parameter_names()) names.emplace_back(name);
    for (const auto name : backend->parameter_names()) names.emplace_back(name);
    for (const auto& option : option_infos()) {
        if (option.per_table) names.emplace_back(option.name);
    }
    tables_.add_backend(type, std::move(backend));
}

const TableTypeFacts& TableCheck::type_of(std::string_view table) const {
    return types_.at(std::string(protocol::type_of(table)));
}

std::string TableCheck::where(const table::TableParameters& parameters) const {
    return parameters.where() == "main.cf" ? main_cf_path_ : parameters.where();
}

void TableCheck::tell_of_name(const std::vector<TableUse>& uses, Gravity gravity, const std::string& text) {
    const auto* allowed = main_cf_.find("proxy_read_maps");
    tell_at_uses(uses, {"", "", main_cf_path_, allowed != nullptr ? allowed->line : 0}, gravity, text,
                 findings_);
}

// False: there is no file to read.
bool TableCheck::check_path(const std::string& name, const std::vector<TableUse>& uses) {
    const auto seen = seen_from(reader_.directory, name);
    if (seen == name) return true;
    const bool exists =
        access(std::string(TableName::parse(seen).name).c_str(), F_OK) == 0 || errno != ENOENT;
    tell_of_name(uses, exists ? Gravity::warning : Gravity::error,
                 fmt::format("proxy:{}: the path is taken from queue_directory, {}{}: write the whole path",
                             name, reader_.directory, exists ? "" : ", where there is no such file"));
    return exists;
}

void TableCheck::read(const std::string& name, const std::vector<TableUse>& uses) {
    auto inspection = tables_.inspect(seen_from(reader_.directory, name));
    if (!inspection.members.empty()) {
        auto keys_of_member = uses;
        for (const auto& member : inspection.members) {
            read(member, keys_of_member);
            for (auto& use : keys_of_member)
                use.asks_keys = use.asks_keys && protocol::type_of(name) != "pipemap";
        }
        return;
    }
    if (!seen_.insert(name).second || !check_path(name, uses)) return;
    if (!inspection.parameters) {
        for (const auto& error : inspection.errors) findings_.error(name, 0, error);
        return;
    }
    const auto& parameters = *inspection.parameters;
    const auto file = where(parameters);
    findings_.hide(file, parameters.secrets());
    for (const auto& problem : parameters.errors()) {
        if (parameters.where() == "main.cf") {
            const auto text = fmt::format("proxy:{}: {}", name, problem.message);
            if (const int line = line_in_main_cf(name, problem.message); line > 0) {
                findings_.error(main_cf_path_, line, text);
            } else {
                tell_of_name(uses, Gravity::error, text);
            }
            continue;
        }
        const bool refused = problem.line == 0 && is_refused(problem.message);
        findings_.error(file, problem.line, problem.message + (refused ? ": run this as root" : ""));
    }
    if (parameters.is_relative_path()) return;
    for (const auto& problem : parameters.warnings()) findings_.warning(file, problem.line, problem.message);
    const auto& type = type_of(name);
    const auto at = [&](std::string_view parameter) {
        return line_of(name, parameters, main_cf_, parameter);
    };
    auto doubts = check_parameters(type, parameters, file, findings_);
    for (auto& slip : find_slips(type.dialect, parameters, type.parameter_names, file, at))
        doubts.push_back(std::move(slip));
    check_password(name, parameters);
    check_domain_list(name, parameters);
    if (!inspection.table) {
        for (const auto& doubt : doubts) tell(doubt);
        return;
    }
    check_meaning(inspection.table->definition(), uses,
                  {file, std::max(at("query"), at("table")), at("domain"), at("result_format")}, findings_);
    CheckedTable table{type,
                       main_cf_,
                       name,
                       file,
                       std::move(inspection.table),
                       std::move(*inspection.parameters),
                       std::move(inspection.files)};
    table.doubts = std::move(doubts);
    if (!type.file_parameter.empty()) check_database_file(table);
    usable_.push_back(std::move(table));
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
            : reader_.group.empty()
                ? fmt::format(
                      "the password can be read by all users: chmod 640 {}, and give it the group of the "
                      "user that the daemon runs as",
                      file)
                : fmt::format("the password can be read by all users: chown root:{0} {1}; chmod 640 {1}",
                              reader_.group, file));
    }
}

void TableCheck::check_domain_list(const std::string& name, const table::TableParameters& parameters) {
    std::string error;
    const auto list = table::DomainList::parse(parameters.text("domain", ""), config::read_file, true, error);
    if (!list) return;  // already among the errors of the parameters
    const auto file = where(parameters);
    const int line = parameters.line("domain");
    const auto in_main_cf = parameters.where() == "main.cf";
    const auto parameter =
        in_main_cf ? fmt::format("{}_domain", TableName::parse(name).name) : std::string("domain");
    for (const auto& fault : list->faults()) {
        const bool refused = is_refused(fault.reason);
        const bool missing = fault.item.starts_with('/') && !refused && access(fault.item.c_str(), F_OK) != 0;
        findings_.error(file, line,
                        fmt::format("{}: {}: {}", parameter, fault.reason,
                                    refused   ? "run this as root"
                                    : missing ? "lookups that come to it fail: make that file, with domains "
                                                "in it, or take it off the list"
                                              : "lookups that come to it fail"));
    }
    for (const auto& table : list->tables()) {
        if (serves(table)) {
            read(table, {{table, parameter, file, line, true, "domain"}});
            continue;
        }
        std::string_view plain = table;
        while (plain.starts_with("proxy:")) plain.remove_prefix(6);
        domain_tables_.push_back({std::string(plain), parameter, file, line});
    }
}

// A relative path is not checked: it starts in the daemon's working directory, not in ours.
void TableCheck::check_database_file(CheckedTable& table) {
    const auto& parameter = table.type.file_parameter;
    const auto path = table.parameters.text(parameter, "");
    if (!path.starts_with('/')) return;
    table.database_file = path;
    if (faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) == 0) return;
    const int reason = errno;
    const int line = table.parameters.line(parameter);
    if (reason == EACCES) {
        findings_.warning(table.where, line,
                          fmt::format("{} = {}: permission denied for user {}: run this as root, to see "
                                      "what the daemon may read",
                                      parameter, path, effective_user()));
        return;
    }
    table.can_answer = false;
    findings_.error(table.where, line,
                    fmt::format("{} = {}: {}: all lookups fail, for proxyd makes no databases", parameter,
                                path, std::strerror(reason)));
}

void TableCheck::check_access(const DaemonUser& reader, const std::vector<std::string>& more_files) {
    const master::BorrowedIdentity as_reader(reader.account);
    FileAccess access(reader, findings_);
    for (const auto& file : more_files) (void)access.may_read(file, 0, file, "it");
    for (auto& table : usable_) {
        for (const auto& file : table.files) (void)access.may_read(file, 0, file, "it");
        if (!table.can_answer || table.database_file.empty()) continue;
        table.can_answer = access.may_read(table.where, table.line_of(table.type.file_parameter),
                                           table.database_file, table.database_file);
    }
    access.tell();
}

void TableCheck::connect() {
    answering_ = check_databases(usable_, loop_, findings_);
}

std::vector<std::string> TableCheck::reading_tables() const {
    std::vector<std::string> names;
    for (const auto& table : usable_) {
        const auto& analysis = table.table->definition().analysis;
        if (!analysis.may_write && analysis.unquoted.empty()) names.push_back(table.name);
    }
    // Tables in files come first: no server has to be up for their answers.
    (void)std::stable_partition(names.begin(), names.end(),
                                [this](const auto& name) { return !type_of(name).file_parameter.empty(); });
    return names;
}

void TableCheck::tell(const Doubt& doubt) {
    const auto& [file, line, gravity, text] = doubt.finding;
    switch (gravity) {
        case Gravity::error: return findings_.error(file, line, text);
        case Gravity::warning: return findings_.warning(file, line, text);
        case Gravity::note: return findings_.note(file, line, text);
    }
}

void TableCheck::tell_doubts() {
    for (auto& table : usable_) {
        for (const auto& doubt : table.doubts) tell(doubt);
        table.doubts.clear();
    }
}

// The line of the parameter that the message names; 0 when main.cf has no such parameter of this table.
int TableCheck::line_in_main_cf(const std::string& name, std::string_view message) const {
    const auto prefix = fmt::format("{}_", TableName::parse(name).name);
    std::size_t longest = 0;
    int line = 0;
    for (const auto& [parameter, value] : main_cf_.parameters) {
        if (!parameter.starts_with(prefix) || parameter.size() < longest) continue;
        if (message.find(parameter) == message.npos) continue;
        longest = parameter.size();
        line = value.line;
    }
    return line;
}

}  // namespace proxyd::control
