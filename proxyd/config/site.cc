#include "proxyd/config/site.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/config/expansion.h"
#include "backends/config/parameter_file.h"
#include "proxyd/config/unread_options.h"

namespace proxyd {
namespace {

bool exists(const std::string& path) {
    return access(path.c_str(), F_OK) == 0;
}

std::string directory_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string describe(const std::string& path, const config::Problem& problem) {
    return problem.line > 0 ? fmt::format("{}, line {}: {}", path, problem.line, problem.message)
                            : fmt::format("{}: {}", path, problem.message);
}

// The prefix of messages about an option given by -o.
std::string place_of_option(const Site& site, const master::DaemonArguments& arguments) {
    if (arguments.mode != master::RunMode::master) return {};
    return fmt::format("{}/master.cf, service {}: ", site.config_directory, arguments.service_name);
}

void take_options(Site& site, const config::ParameterFile& file) {
    for (const auto& problem : apply(site.options, file)) {
        site.option_problems.push_back(describe(site.options_path, problem));
    }
    for (const auto& problem : file.warnings) {
        site.warnings.push_back(describe(site.options_path, problem));
    }
}

void read_options(Site& site, const master::DaemonArguments& arguments) {
    const bool must_exist = arguments.config_path.has_value();
    if (must_exist || exists(site.options_path)) {
        std::string error;
        const auto file = config::read_parameter_file(site.options_path, error);
        if (file) {
            take_options(site, *file);
        } else if (arguments.mode == master::RunMode::master) {
            // Postfix needs the service to deliver mail, so it starts with the defaults.
            site.option_problems.push_back(error);
        } else {
            throw std::runtime_error(error);
        }
    }
    for (const auto& [name, value] : arguments.overrides) {
        if (!is_option(name)) continue;
        const auto problem = set_option(site.options, name, value);
        if (!problem.empty())
            site.option_problems.push_back(place_of_option(site, arguments) + "-o: " + problem);
    }
}

void add_warnings(Site& site, const master::DaemonArguments& arguments) {
    const auto add = [&site](const std::vector<std::string>& texts, const std::string& place) {
        for (const auto& text : texts) site.warnings.push_back(place + text);
    };
    if (site.main_cf) add(site.main_cf->warnings(), {});
    add(site.approved.warnings(), {});
    add(unread_options(arguments.overrides, site.main_cf.get(), site.approved),
        place_of_option(site, arguments));
}

// The version of the Postfix on this machine, for a stand-alone daemon; no value when there is none.
std::optional<postfix::Version> installed_version() {
    constexpr const char* postconf = "/usr/sbin/postconf";
    if (!exists(postconf)) return std::nullopt;
    try {
        const auto defaults = postfix::built_in_defaults(postconf, std::chrono::seconds(5));
        return postfix::parse_version(defaults.at("mail_version"));
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

protocol::Greeting greeting_for(YesNoAuto wanted, const postfix::MainCf* main_cf) {
    if (wanted == YesNoAuto::yes) return protocol::Greeting::yes;
    if (wanted == YesNoAuto::no) return protocol::Greeting::no;
    const std::optional<postfix::Version> version =
        main_cf != nullptr ? std::optional(main_cf->mail_version()) : installed_version();
    if (!version) return protocol::Greeting::probe;
    return postfix::needs_greeting(*version) ? protocol::Greeting::yes : protocol::Greeting::no;
}

}  // namespace

Site read_site(const master::DaemonArguments& arguments, const master::Environment& environment) {
    Site site;
    const bool alone = arguments.mode == master::RunMode::listen;
    if (alone && arguments.config_path) {
        site.options_path = *arguments.config_path;
        site.config_directory = directory_of(site.options_path);
    } else {
        site.config_directory = environment.config_directory.value_or(default_config_directory);
        site.options_path = arguments.config_path.value_or(site.config_directory + "/proxyd.cf");
    }
    read_options(site, arguments);

    const bool has_main_cf = exists(site.config_directory + "/main.cf");
    if (!alone || has_main_cf) {
        auto main_cf = std::make_shared<postfix::MainCf>(
            postfix::MainCf::load(site.config_directory, arguments.overrides));
        main_cf->define("service_name", arguments.service_name);
        main_cf->define("process_name", arguments.process_name);
        main_cf->define("process_id", std::to_string(getpid()));
        site.main_cf = std::move(main_cf);
        if (arguments.chroot) site.chroot = site.main_cf->value("queue_directory");
    }
    site.greeting = greeting_for(site.options.postfix_greeting, site.main_cf.get());
    site.smtputf8 =
        site.main_cf ? site.main_cf->boolean("smtputf8_enable", true) : site.options.smtputf8_enable;

    const auto access = arguments.read_write() ? postfix::Access::write : postfix::Access::read;
    const char* maps = arguments.read_write() ? "proxy_write_maps" : "proxy_read_maps";
    if (site.main_cf && (!alone || site.options.allowed_tables.empty())) {
        const auto reader = [](const std::string& path, std::string& error) {
            return config::read_file(path, error);
        };
        site.approved = postfix::ApprovedTables::from_main_cf(*site.main_cf, access, reader);
        const bool by_option = std::any_of(arguments.overrides.begin(), arguments.overrides.end(),
                                           [maps](const auto& option) { return option.first == maps; });
        site.approval_hint =
            by_option && !alone
                ? fmt::format(
                      "-o {} of the service {} (in {}/master.cf), which takes precedence over main.cf, then "
                      "reload Postfix",
                      maps, arguments.service_name, site.config_directory)
                : fmt::format("main.cf:{} (in {}), then reload Postfix", maps, site.config_directory);
    } else {
        if (site.options.allowed_tables.empty()) {
            throw std::runtime_error(
                fmt::format("{}: allowed_tables is empty, and there is no {}/main.cf: no table "
                            "could be served. Add a line like "
                            "\"allowed_tables = pgsql:/etc/postfix/sql/virtual_domains.cf\"",
                            site.options_path, site.config_directory));
        }
        site.approved = postfix::ApprovedTables::from_names(site.options.allowed_tables);
        site.approval_hint =
            fmt::format("allowed_tables in {}, then send the daemon a SIGHUP", site.options_path);
    }
    add_warnings(site, arguments);
    return site;
}

table::TableSettings table_settings(Options options, table::TableParameters& parameters) {
    for (const auto& info : option_infos()) {
        if (!info.per_table) continue;
        const auto value = parameters.raw(info.name);
        if (!value) continue;
        auto problem = set_option(options, info.name, *value);
        if (problem.empty()) continue;
        problem.replace(problem.find(info.name), info.name.size(), parameters.full_name(info.name));
        parameters.error(info.name, problem);
    }
    const table::TableSettings& settings = options;
    return settings;
}

table::TableSetOptions table_set_options(const Site& site) {
    table::TableSetOptions result;
    result.utf8 = site.smtputf8;
    result.chroot = site.chroot;
    if (site.main_cf) {
        result.main_cf = [main_cf = site.main_cf](const std::string& name) -> std::optional<std::string> {
            const auto raw = main_cf->configured(name);
            if (!raw) return std::nullopt;
            return main_cf->expand(*raw);
        };
    }
    result.settings_for = [options = site.options, share = site.share](table::TableParameters& parameters) {
        auto settings = table_settings(options, parameters);
        if (settings.pool_size < share.count) {
            parameters.error("pool_size",
                             fmt::format("{} = {} is for all workers together, and {} of them run: restart "
                                         "proxyd, which then starts fewer",
                                         parameters.full_name("pool_size"), settings.pool_size, share.count));
        }
        settings.pool_size = share.of(settings.pool_size);
        settings.cache_size = share.of(settings.cache_size);
        return settings;
    };
    return result;
}

bool is_same_socket(const std::string& one, const std::string& other) {
    using std::filesystem::absolute;
    using std::filesystem::weakly_canonical;
    if (one == other) return true;
    std::error_code error;
    const auto place = weakly_canonical(absolute(one, error), error);
    return !error && place == weakly_canonical(absolute(other, error), error);
}

}  // namespace proxyd
