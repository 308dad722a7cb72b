#include <algorithm>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "backends/config/parameter_file.h"
#include "proxyd/control/client/query.h"
#include "proxyd/control/command_words.h"
#include "proxyd/control/commands.h"
#include "proxyd/control/plain_output.h"
#include "proxyd/master/environment.h"

namespace {

using namespace proxyd;

using control::CommandArguments;

using Run = int (*)(const CommandArguments& arguments, const master::Environment& environment);

// The commands and their options, and the command that was given.
class CommandLine {
  public:
    CommandLine() {
        app_.set_version_flag("--version", "proxyctl " PROXYD_VERSION);
        app_.require_subcommand(1);

        auto& query = add("query", "look up keys as postmap -q does", control::run_query, About::any);
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
            add("check", "check proxyd.cf and all tables that may be served", control::run_check, About::any);
        check.add_flag("--connect", arguments_.connect,
                       "connect to the databases, too, and prepare each query");
        check
            .add_option("--user", arguments_.user,
                        "whom the daemon runs as; without it mail_owner, or that of proxyd.service")
            ->type_name("NAME");

        add("options", "print the options in force", control::run_options, About::any);

        auto& enable = add("enable", "have proxyd answer for proxymap(8) in a Postfix", control::run_enable,
                           About::postfix);
        add_dry_run(enable);
        enable.add_flag("--no-connect", arguments_.no_connect,
                        "leave the databases alone, and look nothing up");
        add_dry_run(
            add("disable", "give the lookups back to proxymap(8)", control::run_disable, About::postfix));

        auto& status =
            add("status", "who answers the lookups, and how it is", control::run_status, About::postfix);
        status.add_flag("--json", arguments_.json, "for programs");
        add_socket(status);

        auto& flush = add("flush", "forget answers that are kept (cache_ttl, stale_ttl)", control::run_flush,
                          About::postfix);
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
            // Programs get the values of lookups unchanged.
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
    CommandArguments arguments_;
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
