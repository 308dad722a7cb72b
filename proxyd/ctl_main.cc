#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "proxyd/control/check.h"
#include "proxyd/control/config_place.h"
#include "proxyd/control/proxymap_connection.h"
#include "proxyd/control/query.h"
#include "proxyd/master/environment.h"
#include "proxyd/options.h"
#include "proxyd/postfix/main_cf.h"

namespace {

using namespace proxyd;

struct Arguments {
    std::optional<std::string> config;
    std::optional<std::string> socket;
    std::string table;
    std::vector<std::string> keys;
    bool connect = false;
};

control::QuerySettings stand_alone(const Arguments& arguments) {
    control::QuerySettings settings;
    settings.table = arguments.table;
    settings.approval_hint = fmt::format(
        "Add {0} to allowed_tables in proxyd.cf and send the daemon a SIGHUP; under Postfix, add proxy:{0} "
        "to "
        "proxy_read_maps in main.cf and reload Postfix",
        control::without_proxy(arguments.table));
    settings.log_hint = "The daemon's log says why";
    if (arguments.config) {
        std::string error;
        const auto place = control::find_config(arguments.config, {});
        if (const auto file = config::read_parameter_file(place.options_path, error)) {
            Options options;
            (void)apply(options, *file);  // its mistakes are for `check` to tell
            settings.smtputf8 = options.smtputf8_enable;
        }
    }
    return settings;
}

int run_query(const Arguments& arguments, const master::Environment& environment) {
    std::string path;
    std::string socket_hint;
    control::QuerySettings settings;
    if (arguments.socket) {
        path = *arguments.socket;
        socket_hint = "Start it with: proxyd --listen " + path;
        settings = stand_alone(arguments);
    } else {
        const auto place = control::find_config(arguments.config, environment);
        if (!place.has_main_cf) {
            throw control::QueryError(
                fmt::format("there is no Postfix configured in {}: give --socket PATH for a "
                            "stand-alone proxyd",
                            place.directory));
        }
        const auto main_cf = postfix::MainCf::load(place.directory, {});
        path = main_cf.value("queue_directory") + "/private/proxymap";
        socket_hint = "Is Postfix running (postfix status)? For a stand-alone proxyd give --socket PATH";
        settings.table = arguments.table;
        settings.smtputf8 = main_cf.boolean("smtputf8_enable", true);
        settings.approval_hint =
            fmt::format("Add proxy:{} to proxy_read_maps in {}/main.cf, then: postfix reload",
                        control::without_proxy(arguments.table), place.directory);
        settings.log_hint = "The mail log says why";
    }
    control::ProxymapConnection connection(
        path, socket_hint, [](const std::string& text) { std::cerr << "proxyctl: " << text << '\n'; });
    const control::Ask ask = [&connection](const protocol::Request& request) {
        return connection.ask(request);
    };
    if (arguments.keys == std::vector<std::string>{"-"}) {
        return control::query_lines(settings, std::cin, ask, std::cout, std::cerr);
    }
    return control::query(settings, arguments.keys, ask, std::cout, std::cerr);
}

int run(int argc, char** argv) {
    CLI::App app("Asks a running proxyd, and checks its configuration. See proxyctl(8).");
    app.set_version_flag("--version", "proxyctl " PROXYD_VERSION);
    app.require_subcommand(1);
    Arguments arguments;
    const auto add_config = [&arguments](CLI::App& command) {
        command
            .add_option("--config", arguments.config,
                        "directory of main.cf and proxyd.cf, or the proxyd.cf of a stand-alone daemon")
            ->type_name("DIR|FILE");
    };

    auto& query = *app.add_subcommand("query", "look up keys as postmap -q does");
    query
        .add_option("--socket", arguments.socket,
                    "socket of the daemon; without it, that of the Postfix found")
        ->type_name("PATH")
        ->envname("PROXYD_SOCKET");
    add_config(query);
    query.add_option("table", arguments.table, "the table, with or without proxy:")
        ->required()
        ->type_name("TYPE:NAME");
    query.add_option("key", arguments.keys, "keys, or - for keys on standard input")
        ->required()
        ->type_name("KEY");

    auto& check = *app.add_subcommand("check", "check proxyd.cf and all tables that may be served");
    check.add_flag("--connect", arguments.connect, "connect to the databases, too, and prepare each query");
    add_config(check);

    auto& options = *app.add_subcommand("options", "print the options in force");
    add_config(options);

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 1;
    }
    const auto environment = master::read_environment([](const char* name) { return std::getenv(name); });
    if (query.parsed()) return run_query(arguments, environment);
    const auto place = control::find_config(arguments.config, environment);
    if (options.parsed()) {
        control::print_options(place, environment, std::cout);
        return 0;
    }
    // Database libraries read their environment; the daemon has none.
    for (const char* name :
         {"PGPASSWORD", "PGPASSFILE", "PGUSER", "PGHOST", "PGPORT", "PGDATABASE", "PGSERVICE", "PGSSLMODE",
          "PGOPTIONS", "MYSQL_PWD", "MYSQL_HOST", "MYSQL_TCP_PORT", "HOME"}) {
        unsetenv(name);
    }
    return control::report(control::check(place, environment, arguments.connect), arguments.connect,
                           std::cout);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        std::cerr << "proxyctl: " << error.what() << '\n';
        return 1;
    }
}
