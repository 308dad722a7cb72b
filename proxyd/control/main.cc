#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "backends/config/parameter_file.h"
#include "protocol/table_name.h"
#include "proxyd/config/options.h"
#include "proxyd/control/check/check.h"
#include "proxyd/control/client/flush.h"
#include "proxyd/control/client/proxymap_connection.h"
#include "proxyd/control/client/query.h"
#include "proxyd/control/client/server_identity.h"
#include "proxyd/control/command_words.h"
#include "proxyd/control/plain_output.h"
#include "proxyd/control/postfix/config_location.h"
#include "proxyd/control/postfix/instance.h"
#include "proxyd/control/postfix/table_uses.h"
#include "proxyd/control/status/status.h"
#include "proxyd/control/switch/switch_over.h"
#include "proxyd/master/environment.h"
#include "proxyd/postfix/main_cf.h"

namespace {

using namespace proxyd;

struct Arguments {
    std::optional<std::string> config;
    std::optional<std::string> socket;
    std::optional<std::string> user;
    std::string table;
    std::vector<std::string> keys;
    bool connect = false;
    bool verbose = false;
    bool dry_run = false;
    bool no_connect = false;
    bool json = false;
};

control::QuerySettings stand_alone(const Arguments& arguments) {
    control::QuerySettings settings;
    settings.table = arguments.table;
    settings.approval_hint = fmt::format(
        "Add {0} to allowed_tables in proxyd.cf and send the daemon a SIGHUP; under Postfix, use proxy:{0} "
        "in a parameter such as virtual_alias_maps and reload Postfix",
        protocol::TableName::parse(arguments.table).text);
    settings.log_hint = "The daemon's log says why";
    settings.table_fault = [table = protocol::TableName::parse(arguments.table).text] {
        return control::fault_of_table(table, {});
    };
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

// Longer than any lookup takes with the usual settings, and than Postfix's clients wait for a reload.
constexpr std::chrono::seconds answer_limit{30};

std::string start_hint(const std::string& path) {
    return "Start it with: proxyd --listen " + path;
}

// On standard error, as what is found belongs to standard output.
void tell_answerer(control::ProxymapConnection& connection, const std::string& path) {
    const auto found = control::identify_server(connection, path);
    if (found.kind == control::ServerKind::proxyd) {
        std::cerr << fmt::format("proxyctl: {}: proxyd {} answers, process {}\n", path,
                                 found.status.value("version", "?"), found.status.value("process", 0));
    } else {
        std::cerr << fmt::format("proxyctl: {}: {} ({})\n", path,
                                 found.kind == control::ServerKind::unknown
                                     ? "whether proxyd answers is unknown"
                                     : "not proxyd, as far as one can see",
                                 found.problem);
    }
}

int run_query(const Arguments& arguments, const master::Environment& environment) {
    std::string path;
    std::string socket_hint;
    control::QuerySettings settings;
    if (arguments.socket) {
        path = *arguments.socket;
        socket_hint = start_hint(path);
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
        const auto table = protocol::TableName::parse(arguments.table).text;
        settings.smtputf8 = main_cf.boolean("smtputf8_enable", true);
        settings.layout = postfix::layout_of(main_cf.mail_version());
        std::string ignored;
        const auto master_cf = config::read_file(place.directory + "/master.cf", ignored).value_or("");
        const auto option_place = control::place_of_read_maps(place.directory, master_cf);
        settings.approval_hint = fmt::format(
            "{}{}; then: postfix reload",
            option_place.empty()
                ? fmt::format("Use proxy:{} in a parameter such as virtual_alias_maps, or ", table)
                : "",
            control::how_to_approve(place.directory, option_place, table));
        settings.log_hint = "The mail log says why";
        settings.table_fault = [place, main_cf, table] {
            return control::fault_of_table(table,
                                           control::PostfixInstance(place.directory, main_cf).table_types());
        };
    }
    // As postmap does, scripts get nothing but the status; people shall see that it was no failure.
    settings.tell_misses = isatty(STDERR_FILENO) != 0;
    control::ProxymapConnection connection(
        path, socket_hint, [](const std::string& text) { std::cerr << "proxyctl: " << text << '\n'; });
    connection.give_up_after(
        answer_limit, fmt::format("the daemon does not answer; {} log says why, perhaps it does not start",
                                  arguments.socket ? "its" : "the mail"));
    if (arguments.verbose) tell_answerer(connection, path);
    const control::Ask ask = [&connection](const protocol::Request& request) {
        return connection.ask(request);
    };
    if (arguments.keys == std::vector<std::string>{"-"}) {
        return control::query_lines(settings, std::cin, ask, std::cout, std::cerr);
    }
    return control::query(settings, arguments.keys, ask, std::cout, std::cerr);
}

// Where the daemon serves: as given, or where the Postfix that is configured asks.
std::string service_socket(const Arguments& arguments, const master::Environment& environment) {
    if (arguments.socket) return *arguments.socket;
    const auto place = control::find_config(arguments.config, environment);
    if (!place.has_main_cf) {
        throw std::runtime_error(
            fmt::format("there is no Postfix configured in {}: give --socket PATH for a stand-alone proxyd",
                        place.directory));
    }
    const auto main_cf = postfix::MainCf::load(place.directory, {});
    return control::PostfixInstance(place.directory, main_cf).proxymap_socket();
}

int run_flush(const Arguments& arguments, const master::Environment& environment) {
    const auto socket = service_socket(arguments, environment);
    const auto hint = arguments.socket
                          ? start_hint(socket)
                          : "proxyd is not enabled, or not running: see `proxyctl status`. For a "
                            "stand-alone proxyd give --socket PATH";
    return control::flush(socket, hint, arguments.table, arguments.keys, std::cout);
}

int run_status(const Arguments& arguments, const master::Environment& environment) {
    const auto place = control::find_config(arguments.config, environment);
    const auto status = control::find_status(arguments.socket, place, environment);
    if (!arguments.json) return control::print_status(status, std::cout);
    std::cout << status.dump(2, ' ', true, nlohmann::json::error_handler_t::replace) << '\n';
    return status["answers"] == "proxyd" ? 0 : 1;
}

// Database libraries read their environment; the daemon has none.
void clear_database_environment() {
    for (const char* name :
         {"PGPASSWORD", "PGPASSFILE", "PGUSER", "PGHOST", "PGPORT", "PGDATABASE", "PGSERVICE", "PGSSLMODE",
          "PGOPTIONS", "MYSQL_PWD", "MYSQL_HOST", "MYSQL_TCP_PORT", "HOME"}) {
        unsetenv(name);
    }
}

int run_options(const Arguments& arguments, const master::Environment& environment) {
    return control::print_options(control::find_config(arguments.config, environment), environment, std::cout,
                                  std::cerr);
}

int run_check(const Arguments& arguments, const master::Environment& environment) {
    clear_database_environment();
    auto place = control::find_config(arguments.config, environment);
    place.user = arguments.user;
    return control::report(control::check(place, environment, arguments.connect), arguments.connect,
                           std::cout);
}

int run_enable(const Arguments& arguments, const master::Environment& environment) {
    clear_database_environment();
    const auto place = control::find_config(arguments.config, environment);
    return control::SwitchOver(place, environment, std::cout)
        .enable(arguments.dry_run,
                arguments.no_connect ? control::Databases::left_alone : control::Databases::asked);
}

int run_disable(const Arguments& arguments, const master::Environment& environment) {
    const auto place = control::find_config(arguments.config, environment);
    return control::SwitchOver(place, environment, std::cout).disable(arguments.dry_run);
}

using Run = int (*)(const Arguments& arguments, const master::Environment& environment);

// The commands and their options, and which of them was given.
class CommandLine {
  public:
    CommandLine() {
        app_.set_version_flag("--version", "proxyctl " PROXYD_VERSION);
        app_.require_subcommand(1);

        auto& query = add("query", "look up keys as postmap -q does", run_query, About::any);
        add_socket(query);
        query.add_flag("-v,--verbose", arguments_.verbose, "say who answers, on standard error");
        query.add_option("table", arguments_.table, "the table, with or without proxy:")
            ->required()
            ->check(control::table_name_fault)
            ->type_name("TYPE:NAME");
        query.add_option("key", arguments_.keys, "keys, or - for keys on standard input")
            ->required()
            ->type_name("KEY");

        auto& check =
            add("check", "check proxyd.cf and all tables that may be served", run_check, About::any);
        check.add_flag("--connect", arguments_.connect,
                       "connect to the databases, too, and prepare each query");
        check
            .add_option("--user", arguments_.user,
                        "whom the daemon runs as; without it mail_owner, or that of proxyd.service")
            ->type_name("NAME");

        add("options", "print the options in force", run_options, About::any);

        auto& enable =
            add("enable", "have proxyd answer for proxymap(8) in a Postfix", run_enable, About::postfix);
        add_dry_run(enable);
        enable.add_flag("--no-connect", arguments_.no_connect,
                        "leave the databases alone, and look nothing up");
        add_dry_run(add("disable", "give the lookups back to proxymap(8)", run_disable, About::postfix));

        auto& status = add("status", "who answers the lookups, and how it is", run_status, About::postfix);
        status.add_flag("--json", arguments_.json, "for programs");
        add_socket(status);

        auto& flush =
            add("flush", "forget answers that are kept (cache_ttl, stale_ttl)", run_flush, About::postfix);
        add_socket(flush);
        flush.add_option("table", arguments_.table, "only those of this table, with or without proxy:")
            ->check(control::table_name_fault)
            ->type_name("TYPE:NAME");
        flush.add_option("key", arguments_.keys, "only those of these keys")->type_name("KEY");

        for (const auto& [command, action] : commands_) {
            for (auto* option : command->get_options()) option->transform(control::unmarked);
        }
    }

    int run(int argc, char** argv) {
        if (argc > 1 && argv[1][0] != '-' && !is_command(argv[1])) {
            std::cerr << unknown_command(argv[1]) << '\n';
            return wrong_usage;
        }
        try {
            app_.name(argv[0]);
            app_.parse(control::marked_words(argc, argv));
        } catch (const CLI::ParseError& error) {
            if (error.get_exit_code() == 0) return app_.exit(error);  // --help, --version
            std::cerr << fmt::format("proxyctl: {}; see {} --help\n", in_our_words(error), parsed_command());
            return wrong_usage;
        }
        const auto environment = master::read_environment([](const char* name) { return std::getenv(name); });
        for (const auto& [command, action] : commands_) {
            if (!command->parsed()) continue;
            // Programs get the values of lookups as they are.
            std::optional<control::PlainOutput> plain;
            if (command->get_name() != "query" || isatty(STDOUT_FILENO) != 0) plain.emplace(std::cout);
            return action(arguments_, environment);
        }
        return 1;
    }

  private:
    enum class About { postfix, any };
    static constexpr int wrong_usage = 2;

    static std::string in_our_words(const CLI::ParseError& error) {
        const auto text = control::without_marks(error.what());
        const auto colon = text.find(": ");
        if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && colon != std::string::npos) {
            return fmt::format("unexpected argument \"{}\"", text.substr(colon + 2));
        }
        if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr && colon != std::string::npos) {
            return text.substr(0, colon) + " needs a value";
        }
        return text == "A subcommand is required" ? "a command is missing" : text;
    }

    // "proxyctl query", as far as it was given.
    [[nodiscard]] std::string parsed_command() const {
        for (const auto& [command, action] : commands_) {
            if (command->parsed()) return "proxyctl " + command->get_name();
        }
        return "proxyctl";
    }

    CLI::App& add(const char* name, const char* help, Run action, About about) {
        auto* command = app_.add_subcommand(name, help);
        auto* config = command->add_option("-c,--config", arguments_.config);
        if (about == About::postfix) {
            config->description("directory of main.cf and proxyd.cf")->type_name("DIR");
        } else {
            config
                ->description("directory of main.cf and proxyd.cf, or the proxyd.cf of a stand-alone daemon")
                ->type_name("DIR|FILE");
        }
        commands_.emplace_back(command, action);
        return *command;
    }

    [[nodiscard]] bool is_command(const char* given) const {
        return std::any_of(commands_.begin(), commands_.end(),
                           [given](const auto& item) { return item.first->get_name() == given; });
    }

    [[nodiscard]] std::string unknown_command(const char* given) const {
        std::vector<std::string> names;
        for (const auto& [command, action] : commands_) names.push_back(command->get_name());
        const auto nearest = config::nearest_name(given, {names.begin(), names.end()});
        return fmt::format("proxyctl: unknown command \"{}\"{} Commands: {}", given,
                           nearest.empty() ? "." : fmt::format(", did you mean \"{}\"?", nearest),
                           fmt::join(names, ", "));
    }

    void add_socket(CLI::App& command) {
        command
            .add_option("--socket", arguments_.socket,
                        "socket of the daemon; without it, that of the Postfix found")
            ->type_name("PATH")
            ->envname("PROXYD_SOCKET");
    }

    void add_dry_run(CLI::App& command) {
        command.add_flag("--dry-run", arguments_.dry_run, "only show what would change");
    }

    CLI::App app_{
        "Asks a running proxyd, checks its configuration, puts it into a Postfix. See proxyctl(8)."};
    Arguments arguments_;
    std::vector<std::pair<CLI::App*, Run>> commands_;
};

}  // namespace

int main(int argc, char** argv) {
    const control::PlainOutput plain_errors(std::cerr);
    try {
        return CommandLine().run(argc, argv);
    } catch (const std::exception& error) {
        std::cerr << "proxyctl: " << error.what() << '\n';
        return 1;
    }
}
