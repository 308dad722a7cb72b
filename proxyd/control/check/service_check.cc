#include "proxyd/control/check/service_check.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "backends/config/expansion.h"
#include "backends/config/list.h"
#include "proxyd/config/unread_options.h"
#include "proxyd/control/postfix/master_cf_edit.h"
#include "proxyd/master/arguments.h"

namespace proxyd::control {
namespace {

constexpr std::string_view stock_program = "proxymap";
constexpr std::string_view our_program = "proxyd";

std::string value_or_nothing(const postfix::MainCf& main_cf, std::string_view text) {
    try {
        return main_cf.expand(text);
    } catch (const config::ExpansionError&) {
        return {};
    }
}

// The words that master(8) would pass to the program.
std::vector<std::string> command_line(const MasterService& service) {
    std::vector<std::string> words = {service.command, "-n", service.name, "-t", "unix", "-u"};
    for (const auto& word : service.arguments) {
        std::string fault;
        auto inside = word.starts_with('{') ? config::strip_braces(word, fault) : std::nullopt;
        words.push_back(inside.value_or(word));
    }
    return words;
}

// Parses an entry of proxyd or of a Postfix daemon: they have the same options. Throws master::UsageError.
master::DaemonArguments parse(const MasterService& service) {
    const auto words = command_line(service);
    std::vector<const char*> argv;
    for (const auto& word : words) argv.push_back(word.c_str());
    return master::parse_arguments(static_cast<int>(argv.size()), argv.data());
}

// Whether postconf(1) has put an option between -n and its value: it does not know that -n has one.
bool is_torn(const MasterService& service) {
    const auto& words = service.arguments;
    return std::adjacent_find(words.begin(), words.end(), [](const auto& first, const auto& second) {
               return first == "-n" && second.starts_with("-o");
           }) != words.end();
}

// The directory where the program is missing; "" when it is there.
std::string directory_without(const MasterService& service, const postfix::MainCf& main_cf) {
    auto directory = value_or_nothing(main_cf, "$daemon_directory");
    const auto program = fmt::format("{}/{}", directory, service.command);
    return access(program.c_str(), X_OK) == 0 ? std::string() : directory;
}

std::string no_program(const std::string& command, const std::string& directory) {
    return fmt::format("there is no program \"{}\" in {} (daemon_directory)", command, directory);
}

// The check of one entry.
class EntryCheck {
  public:
    EntryCheck(const PostfixFiles& files, const MasterService& service, Findings& findings)
        : files_(files), service_(service), findings_(findings) {}

    void run(const std::set<std::string>& table_files) {
        check_private();
        if (!check_program()) return;
        check_chroot(table_files);
        check_privileges();
        check_limit();
        check_arguments();
        check_overrides();
    }

  private:
    void error(std::string text) { findings_.error(files_.master_cf_path, service_.line, std::move(text)); }
    void warning(std::string text) {
        findings_.warning(files_.master_cf_path, service_.line, std::move(text));
    }

    void check_private() {
        if (service_.is_private != "n") return;
        error(
            "the proxymap service is not private (third column), and Postfix programs ask it at "
            "private/proxymap alone: write - there");
    }

    // Whether the entry starts proxyd, or is meant to.
    bool check_program() {
        const auto& command = service_.command;
        if (const auto directory = directory_without(service_, files_.main_cf); !directory.empty()) {
            const auto nearest = config::nearest_name(command, {our_program, stock_program});
            const auto advice = command == our_program ? std::string(": install it there")
                                : nearest.empty() ? fmt::format(" (of {}): write {}", "proxymap", our_program)
                                                  : fmt::format(", did you mean \"{}\"?", nearest);
            error(fmt::format("{}, so that no proxy: table can be looked up{}",
                              no_program(command, directory), advice));
            return command == our_program || nearest == our_program;
        }
        if (command == stock_program) {
            findings_.note(files_.master_cf_path, service_.line,
                           "the proxymap service still runs proxymap(8): `proxyctl enable` has proxyd run in "
                           "its place");
            return false;
        }
        if (command != our_program) {
            warning(fmt::format("the proxymap service runs \"{}\", which by its name is neither {} nor {}",
                                command, our_program, stock_program));
            return false;
        }
        return true;
    }

    void check_chroot(const std::set<std::string>& table_files) {
        if (!is_chrooted(service_, files_.main_cf)) return;
        const auto jail = value_or_nothing(files_.main_cf, "$queue_directory");
        const auto advice = fmt::format("write n in the chroot column ({} there now)", service_.chroot);
        for (const auto& file : table_files) {
            if (access((jail + file).c_str(), F_OK) == 0) continue;
            error(fmt::format("proxyd runs in a chroot and looks for {0} at {1}{0}, where it is not: {2}",
                              file, jail, advice));
            return;
        }
        warning(
            fmt::format("proxyd runs in a chroot: table files, sockets and certificates are looked for "
                        "below {}: {}",
                        jail, advice));
    }

    void check_privileges() {
        if (service_.unprivileged != "n") return;
        warning(
            "proxyd goes on running as root, which it has no need of: write - in the unpriv column (n there "
            "now)");
    }

    void check_limit() {
        if (service_.limit == "1") return;
        const auto meaning = service_.limit == "0" ? std::string("no process limit")
                             : service_.limit == "-"
                                 ? std::string("the process limit of default_process_limit")
                                 : fmt::format("the process limit {}", service_.limit);
        warning(
            fmt::format("{}: one process of proxyd serves all clients, and each further one that master "
                        "starts ends at once; under load this costs time: write 1 in the maxproc column",
                        meaning));
    }

    void check_arguments() {
        try {
            if (parse(service_).mode == master::RunMode::master) return;
            error("options that are for the command line stand behind proxyd: it would not serve");
        } catch (const master::UsageError& fault) {
            error(fmt::format("proxyd does not start with these options: {}", fault.what()));
        }
    }

    void check_overrides() {
        for (auto& text : unread_options(service_.overrides, &files_.main_cf, files_.approved)) {
            warning(std::move(text));
        }
    }

    const PostfixFiles& files_;
    const MasterService& service_;
    Findings& findings_;
};

}  // namespace

bool is_chrooted(const MasterService& service, const postfix::MainCf& main_cf) {
    if (service.chroot != "-") return service.chroot == "y";
    return std::atoi(value_or_nothing(main_cf, "$compatibility_level").c_str()) < 1;
}

void check_proxymap_service(const PostfixFiles& files, const std::set<std::string>& table_files,
                            Findings& findings) {
    const auto* service = find_proxymap(files.services);
    if (service == nullptr) {
        findings.error(
            files.master_cf_path, 0,
            "there is no entry for the proxymap service, so that no proxy: table can be looked up: "
            "add \"proxymap unix - - n - 1 proxyd\"");
        return;
    }
    EntryCheck(files, *service, findings).run(table_files);
}

std::optional<std::string> stock_name_of(const MasterService& service) {
    try {
        const auto parsed = parse(service);
        if (parsed.mode == master::RunMode::master) return parsed.service_name;
    } catch (const master::UsageError&) {
        // The service name is another one, or the arguments are wrong.
    }
    return std::nullopt;
}

void check_repeated_entry(const PostfixFiles& files, const std::string& name, Findings& findings) {
    std::vector<int> lines;
    for (const auto& service : files.services) {
        if (service.name == name && service.type == "unix") lines.push_back(service.line);
    }
    if (lines.size() < 2) return;
    const int used = lines.back();
    lines.pop_back();
    findings.warning(files.master_cf_path, used,
                     fmt::format("{} stands in lines {} and {}; master(8) uses the last", name,
                                 fmt::join(lines, ", "), used));
}

void check_relay_entry(const PostfixFiles& files, const std::string& relay_service,
                       const std::string& stock_name, Findings& findings) {
    const auto* service = find_service(files.services, relay_service);
    if (service == nullptr) return;
    const auto error = [&](std::string text) {
        findings.error(files.master_cf_path, service->line, std::move(text));
    };
    if (service->command != stock_program) {
        const auto advice = fmt::format("write \"proxymap -n {}\"", stock_name);
        auto text = fmt::format("{} runs \"{}\", but the stock server has to answer there for proxyd: {}",
                                relay_service, service->command, advice);
        if (service->command == our_program) {
            error(std::move(text));
        } else if (const auto directory = directory_without(*service, files.main_cf); !directory.empty()) {
            error(fmt::format("{}, so that lookups by way of {} fail: {}",
                              no_program(service->command, directory), relay_service, advice));
        } else {
            findings.warning(files.master_cf_path, service->line, std::move(text));
        }
        return;
    }
    if (service->is_private == "n") {
        error(
            fmt::format("{0} is not private (third column), and proxyd asks at private/{0} alone: "
                        "write - there",
                        relay_service));
    }
    const auto own_name = stock_name_of(*service);
    if (own_name == stock_name) return;
    if (own_name) {
        error(
            fmt::format("wrong -n value: as {} the stock server looks at other tables, so that "
                        "lookups by way of {} fail: end the line with \"{}\"",
                        *own_name, relay_service, stock_command(*service, stock_name)));
        return;
    }
    error(
        fmt::format("the stock server does not answer with these arguments{}, so that lookups by way "
                    "of {} fail: end the line with \"{}\"",
                    is_torn(*service) ? " (`postconf -P` has put options between -n and its value)" : "",
                    relay_service, stock_command(*service, stock_name)));
}

void check_users_in_chroot(const PostfixFiles& files, Findings& findings) {
    constexpr const char* parameter = "local_recipient_maps";
    constexpr std::string_view users = "unix:passwd.byname";
    const auto jail = value_or_nothing(files.main_cf, "$queue_directory");
    if (access((jail + "/etc/passwd").c_str(), R_OK) == 0) return;
    for (const auto& service : files.services) {
        if (service.command != "smtpd" || !is_chrooted(service, files.main_cf)) continue;
        auto value = files.main_cf.raw(parameter).value_or("");
        for (const auto& [name, text] : service.overrides) {
            if (name == parameter) value = text;
        }
        const auto tables = config::split_list(value_or_nothing(files.main_cf, value));
        if (std::find(tables.begin(), tables.end(), users) == tables.end()) continue;
        findings.warning(
            files.master_cf_path, service.line,
            fmt::format("{}/{} runs in a chroot and finds no users there, so that it rejects mail for all of "
                        "them ({} = {}): write proxy:{} instead, or n in its chroot column",
                        service.name, service.type, parameter, value, users));
    }
}

}  // namespace proxyd::control
