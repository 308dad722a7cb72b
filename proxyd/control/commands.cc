#include "proxyd/control/commands.h"

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>
#include <unistd.h>

#include "backends/config/parameter_file.h"
#include "protocol/table_name.h"
#include "proxyd/config/options.h"
#include "proxyd/control/check/check.h"
#include "proxyd/control/check/options_check.h"
#include "proxyd/control/client/flush.h"
#include "proxyd/control/client/proxymap_connection.h"
#include "proxyd/control/client/query.h"
#include "proxyd/control/client/server_identity.h"
#include "proxyd/control/postfix/config_location.h"
#include "proxyd/control/postfix/instance.h"
#include "proxyd/control/postfix/table_uses.h"
#include "proxyd/control/status/status.h"
#include "proxyd/control/switch/switch_over.h"
#include "proxyd/master/environment.h"
#include "proxyd/postfix/main_cf.h"

namespace proxyd::control {
namespace {

QuerySettings stand_alone(const CommandArguments& arguments) {
    QuerySettings settings;
    settings.table = arguments.table;
    settings.approval_hint = fmt::format(
        "Add {0} to allowed_tables in proxyd.cf and send the daemon a SIGHUP; under Postfix, use proxy:{0} "
        "in a parameter such as virtual_alias_maps and reload Postfix",
        protocol::TableName::parse(arguments.table).text);
    settings.log_hint = "The daemon's log says why";
    settings.table_fault = [table = protocol::TableName::parse(arguments.table).text] {
        return fault_of_table(table, {});
    };
    if (arguments.config) {
        std::string error;
        const auto place = find_config(arguments.config, {});
        if (const auto file = config::read_parameter_file(place.options_path, error)) {
            Options options;
            (void)apply(options, *file);  // `check` reports its mistakes
            settings.smtputf8 = options.smtputf8_enable;
        }
    }
    return settings;
}

// Longer than any lookup takes with the usual settings, and longer than Postfix's clients wait at a reload.
constexpr std::chrono::seconds answer_limit{30};

std::string start_hint(const std::string& path) {
    return "Start it with: proxyd --listen " + path;
}

// Writes to standard error: standard output is for the values found.
void tell_answerer(ProxymapConnection& connection, const std::string& path) {
    const auto found = identify_server(connection, path);
    if (found.kind == ServerKind::proxyd) {
        std::cerr << fmt::format("proxyctl: {}: proxyd {} answers, process {}\n", path,
                                 found.status.value("version", "?"), found.status.value("process", 0));
    } else {
        std::cerr << fmt::format("proxyctl: {}: {} ({})\n", path,
                                 found.kind == ServerKind::unknown ? "whether proxyd answers is unknown"
                                                                   : "not proxyd, as far as one can see",
                                 found.problem);
    }
}

// The socket of the daemon: as given, or that of the configured Postfix.
std::string service_socket(const CommandArguments& arguments, const master::Environment& environment) {
    if (arguments.socket) return *arguments.socket;
    const auto place = find_config(arguments.config, environment);
    if (!place.has_main_cf) {
        throw std::runtime_error(
            fmt::format("there is no Postfix configured in {}: give --socket PATH for a stand-alone proxyd",
                        place.directory));
    }
    const auto main_cf = postfix::MainCf::load(place.directory, {});
    return PostfixInstance(place.directory, main_cf).proxymap_socket();
}

// Database libraries read their environment. The daemon's environment has no such variables.
void clear_database_environment() {
    for (const char* name :
         {"PGPASSWORD", "PGPASSFILE", "PGUSER", "PGHOST", "PGPORT", "PGDATABASE", "PGSERVICE", "PGSSLMODE",
          "PGOPTIONS", "MYSQL_PWD", "MYSQL_HOST", "MYSQL_TCP_PORT", "HOME"}) {
        unsetenv(name);
    }
}

}  // namespace

int run_query(const CommandArguments& arguments, const master::Environment& environment) {
    std::string path;
    std::string socket_hint;
    QuerySettings settings;
    if (arguments.socket) {
        path = *arguments.socket;
        socket_hint = start_hint(path);
        settings = stand_alone(arguments);
    } else {
        const auto place = find_config(arguments.config, environment);
        if (!place.has_main_cf) {
            throw QueryError(
                fmt::format("there is no Postfix configured in {}: give --socket PATH for a "
                            "stand-alone proxyd",
                            place.directory));
        }
        const auto main_cf = postfix::MainCf::load(place.directory, {});
        path = main_cf.value("queue_directory") + "/private/proxymap";
        socket_hint = "Is Postfix running (postfix status)? For a stand-alone proxyd give --socket PATH";
        settings.table = arguments.table;
        const auto table = protocol::TableName::parse(arguments.table).text;
        settings.smtputf8 = main_cf.boolean("smtputf8_enable", true);
        settings.layout = postfix::layout_of(main_cf.mail_version());
        std::string ignored;
        const auto master_cf = config::read_file(place.directory + "/master.cf", ignored).value_or("");
        const auto option_place = place_of_read_maps(place.directory, master_cf);
        settings.approval_hint = fmt::format(
            "{}{}; then: postfix reload",
            option_place.empty()
                ? fmt::format("Use proxy:{} in a parameter such as virtual_alias_maps, or ", table)
                : "",
            how_to_approve(place.directory, option_place, table));
        settings.log_hint = "The mail log says why";
        settings.table_fault = [place, main_cf, table] {
            return fault_of_table(table, PostfixInstance(place.directory, main_cf).table_types());
        };
    }
    // Scripts get only the exit status, as from postmap. People see that the lookup did not fail.
    settings.tell_misses = isatty(STDERR_FILENO) != 0;
    ProxymapConnection connection(path, socket_hint,
                                  [](const std::string& text) { std::cerr << "proxyctl: " << text << '\n'; });
    connection.give_up_after(
        answer_limit, fmt::format("the daemon does not answer; {} log says why, perhaps it does not start",
                                  arguments.socket ? "its" : "the mail"));
    if (arguments.verbose) tell_answerer(connection, path);
    const Ask ask = [&connection](const protocol::Request& request) { return connection.ask(request); };
    if (arguments.keys == std::vector<std::string>{"-"}) {
        return query_lines(settings, std::cin, ask, std::cout, std::cerr);
    }
    return query(settings, arguments.keys, ask, std::cout, std::cerr);
}

int run_flush(const CommandArguments& arguments, const master::Environment& environment) {
    const auto socket = service_socket(arguments, environment);
    const auto hint = arguments.socket
                          ? start_hint(socket)
                          : "proxyd is not enabled, or not running: see `proxyctl status`. For a "
                            "stand-alone proxyd give --socket PATH";
    return flush(socket, hint, arguments.table, arguments.keys, std::cout);
}

int run_status(const CommandArguments& arguments, const master::Environment& environment) {
    const auto place = find_config(arguments.config, environment);
    const auto status = find_status(arguments.socket, place);
    if (!arguments.json) return print_status(status, std::cout);
    std::cout << status.dump(2, ' ', true, nlohmann::json::error_handler_t::replace) << '\n';
    return status["answers"] == "proxyd" ? 0 : 1;
}

int run_options(const CommandArguments& arguments, const master::Environment& environment) {
    return print_options(find_config(arguments.config, environment), std::cout, std::cerr);
}

int run_check(const CommandArguments& arguments, const master::Environment& environment) {
    clear_database_environment();
    auto place = find_config(arguments.config, environment);
    place.user = arguments.user;
    return report(check(place, environment, arguments.connect), arguments.connect, std::cout);
}

int run_enable(const CommandArguments& arguments, const master::Environment& environment) {
    clear_database_environment();
    const auto place = find_config(arguments.config, environment);
    return SwitchOver(place, environment, std::cout)
        .enable(arguments.dry_run, arguments.no_connect ? Databases::left_alone : Databases::asked);
}

int run_disable(const CommandArguments& arguments, const master::Environment& environment) {
    const auto place = find_config(arguments.config, environment);
    return SwitchOver(place, environment, std::cout).disable(arguments.dry_run);
}

}  // namespace proxyd::control
