#include "proxyd/control/service_check.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>
#include <unistd.h>

#include "backends/config/expansion.h"
#include "backends/config/list.h"
#include "proxyd/master/options.h"
#include "proxyd/options.h"

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

// Whether some value of main.cf reads the parameter.
bool is_used(const config::ParameterFile& main_cf, std::string_view name) {
    return std::any_of(main_cf.parameters.begin(), main_cf.parameters.end(), [name](const auto& item) {
        for (const char* opening : {"$", "${", "$("}) {
            const auto reference = opening + std::string(name);
            const auto at = item.second.value.find(reference);
            if (at == std::string::npos) continue;
            const auto next = at + reference.size();
            const bool ends = next >= item.second.value.size() ||
                              (std::isalnum(static_cast<unsigned char>(item.second.value[next])) == 0 &&
                               item.second.value[next] != '_');
            if (ends) return true;
        }
        return false;
    });
}

// One entry, and what is wrong with it.
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

    // Whether it is proxyd that is started.
    bool check_program() {
        const auto directory = value_or_nothing(files_.main_cf, "$daemon_directory");
        const auto& command = service_.command;
        if (access(fmt::format("{}/{}", directory, command).c_str(), X_OK) != 0) {
            const auto nearest = config::nearest_name(command, {our_program, stock_program});
            const auto advice = command == our_program ? std::string(": install it there")
                                : nearest.empty() ? fmt::format(" (of {}): write {}", "proxymap", our_program)
                                                  : fmt::format(", did you mean \"{}\"?", nearest);
            error(
                fmt::format("there is no program \"{}\" in {} (daemon_directory), so that no proxy: table "
                            "can be looked up{}",
                            command, directory, advice));
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

    // As master(8) would hand them over.
    void check_arguments() {
        std::vector<std::string> words = {std::string(our_program), "-n", "proxymap", "-t", "unix", "-u"};
        for (const auto& word : service_.arguments) {
            std::string fault;
            auto inside = word.starts_with('{') ? config::strip_braces(word, fault) : std::nullopt;
            words.push_back(inside.value_or(word));
        }
        std::vector<const char*> argv;
        for (const auto& word : words) argv.push_back(word.c_str());
        try {
            const auto parsed = master::parse_arguments(static_cast<int>(argv.size()), argv.data());
            if (parsed.mode == master::RunMode::master) return;
            error("options that are for the command line stand behind proxyd: it would not serve");
        } catch (const master::UsageError& fault) {
            error(fmt::format("proxyd does not start with these options: {}", fault.what()));
        }
    }

    void check_overrides() {
        std::vector<std::string_view> known;
        for (const auto& option : option_infos()) known.push_back(option.name);
        for (const auto& [name, value] : service_.overrides) {
            if (std::find(known.begin(), known.end(), name) != known.end()) continue;
            if (files_.main_cf.has_default(name) || is_used(files_.main_cf_file, name)) continue;
            const auto nearest = config::nearest_name(name, known);
            warning(fmt::format("-o {}={}: unknown parameter \"{}\" is ignored{}", name, value, name,
                                nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest)));
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

const MasterService* find_proxymap(const std::vector<MasterService>& services) {
    const MasterService* found = nullptr;
    for (const auto& service : services) {
        if (service.name == "proxymap" && service.type == "unix") found = &service;
    }
    return found;
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

void check_relay_entry(const PostfixFiles& files, const std::string& relay_service,
                       const std::string& stock_name, Findings& findings) {
    for (const auto& service : files.services) {
        if (service.name != relay_service || service.type != "unix") continue;
        if (service.command != stock_program) {
            const auto text = fmt::format(
                "{} runs \"{}\", but the stock server has to answer there for proxyd: write \"proxymap -n "
                "{}\"",
                relay_service, service.command, stock_name);
            if (service.command == our_program) {
                findings.error(files.master_cf_path, service.line, text);
            } else {
                findings.warning(files.master_cf_path, service.line, text);
            }
            continue;
        }
        std::string arguments;
        for (const auto& word : service.arguments) arguments += " " + word;
        if (arguments.find(" -n " + stock_name) != std::string::npos ||
            arguments.find(" -n" + stock_name) != std::string::npos)
            continue;
        findings.error(
            files.master_cf_path, service.line,
            fmt::format("proxymap(8) serves under no other name than its own, so that lookups by way of "
                        "{} fail: write \"proxymap -n {}\" there",
                        relay_service, stock_name));
    }
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
