#include "proxyd/control/check/check.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/table_types.h"
#include "protocol/table_name.h"
#include "proxyd/config/site.h"
#include "proxyd/control/check/daemon_user.h"
#include "proxyd/control/check/ineffective_options.h"
#include "proxyd/control/check/service_check.h"
#include "proxyd/control/check/table_check.h"
#include "proxyd/control/check/table_name_check.h"
#include "proxyd/control/postfix/instance.h"
#include "proxyd/control/postfix/master_cf.h"
#include "proxyd/control/postfix/table_uses.h"

namespace proxyd::control {

using protocol::TableName;
namespace {

bool exists(const std::string& path) {
    return access(path.c_str(), F_OK) == 0;
}

// The check of one configuration, from the daemon's options to its tables.
class Check {
  public:
    Check(const ConfigLocation& place, const master::Environment& environment)
        : place_(place),
          environment_(environment),
          main_cf_path_(place.directory + "/main.cf"),
          master_cf_path_(place.directory + "/master.cf") {}

    CheckResult run(bool connect) {
        if (!is_alone() && !read_postfix()) return std::move(result_);
        (void)check_options();
        try {
            site_ = read_site(arguments(), environment());
        } catch (const postfix::BadConfigFile& error) {
            result_.findings.error(error.file(), error.line(), error.fault());
            return std::move(result_);
        } catch (const std::exception& error) {
            result_.findings.error(place_.has_main_cf ? main_cf_path_ : place_.options_path, 0, error.what());
            return std::move(result_);
        }
        if (site_.main_cf) {
            for (const auto& warning : site_.approved.warnings()) {
                result_.findings.warning(main_cf_path_, line_of("proxy_read_maps"), warning);
            }
        }
        check_tables(connect);
        return std::move(result_);
    }

    // The arguments that the daemon would be started with.
    [[nodiscard]] master::DaemonArguments arguments() const {
        master::DaemonArguments arguments;
        arguments.process_name = "proxyd";
        arguments.service_name = "proxymap";
        arguments.overrides = overrides_;
        if (is_alone()) {
            arguments.mode = master::RunMode::listen;
            arguments.config_path = place_.options_path;
        }
        return arguments;
    }

    [[nodiscard]] master::Environment environment() const {
        auto environment = environment_;
        environment.config_directory = place_.directory;
        return environment;
    }

    // False: the check cannot continue.
    bool read_postfix() {
        std::string error;
        auto file = config::read_parameter_file(main_cf_path_, error);
        if (!file) {
            result_.findings.error(main_cf_path_, 0, error);
            return false;
        }
        main_cf_file_ = std::move(*file);
        for (const auto& problem : main_cf_file_.warnings) {
            result_.findings.warning(main_cf_path_, problem.line, problem.message);
        }
        for (const auto& problem : main_cf_file_.errors) {
            result_.findings.error(main_cf_path_, problem.line, problem.message);
        }
        if (!main_cf_file_.errors.empty()) return false;
        const auto master_cf =
            place_.master_cf_text ? place_.master_cf_text : config::read_file(master_cf_path_, error);
        if (master_cf) {
            master_cf_text_ = *master_cf;
            services_ = read_services(*master_cf);
        } else {
            result_.findings.error(master_cf_path_, 0, error);
        }
        if (const auto* service = find_proxymap(services_)) {
            overrides_ = service->overrides;
            overrides_line_ = service->line;
        }
        return true;
    }

    // The options in force. A wrong option has its default.
    Options check_options() {
        Options options;
        if (place_.options_given || exists(place_.options_path)) {
            std::string error;
            const auto file = config::read_parameter_file(place_.options_path, error);
            if (!file) {
                result_.findings.error(place_.options_path, 0, error);
            } else {
                for (const auto& problem : file->warnings) {
                    result_.findings.warning(place_.options_path, problem.line, problem.message);
                }
                if (!is_alone()) note_options_without_postfix(*file, result_.findings);
                if (const auto* relay = file->find("relay_service"); relay != nullptr) {
                    relay_place_ = {place_.options_path, relay->line};
                }
                auto problems = apply(options, *file);
                std::sort(problems.begin(), problems.end(),
                          [](const auto& a, const auto& b) { return a.line < b.line; });
                for (const auto& problem : problems) {
                    result_.findings.error(place_.options_path, problem.line, problem.message);
                }
            }
        }
        for (const auto& [name, value] : overrides_) {
            if (!is_option(name)) continue;
            const auto problem = set_option(options, name, value);
            const int line = line_of_option(master_cf_text_, overrides_line_, name);
            if (!problem.empty()) result_.findings.error(master_cf_path_, line, problem);
            if (name == "relay_service") relay_place_ = {master_cf_path_, line};
        }
        return options;
    }

    [[nodiscard]] const Findings& findings() const { return result_.findings; }

  private:
    void check_services(const TableCheck& tables) {
        std::set<std::string> table_files;
        for (const auto& name : site_.approved.tables()) {
            const auto file = TableName::parse(name).name;
            if (file.starts_with('/') && tables.serves(name)) table_files.emplace(file);
        }
        const PostfixFiles files{*site_.main_cf, main_cf_file_, master_cf_path_, services_, site_.approved};
        check_proxymap_service(files, table_files, result_.findings);
        const auto& options = site_.options;
        for (const auto& name : {std::string("proxymap"), options.relay_service, options.relay_write_service})
            check_repeated_entry(files, name, result_.findings);
        check_relay_entry(files, options.relay_service, "proxymap", result_.findings);
        check_relay_entry(files, options.relay_write_service, "proxywrite", result_.findings);
        check_users_in_chroot(files, result_.findings);
        check_options_in_main_cf(main_cf_file_, *site_.main_cf, place_.options_path, result_.findings);
        check_missing_types(files, result_.findings);
        note_direct_uses(files, result_.findings);
    }

    void check_tables(bool connect) {
        const auto user = find_daemon_user(place_, is_alone() ? nullptr : site_.main_cf.get());
        const TableReader reader{user ? user->group : "",
                                 is_alone() ? "" : working_directory(*site_.main_cf)};
        TableCheck tables(table_set_options(site_), main_cf_file_, main_cf_path_, reader, result_.findings);
        std::map<std::string, std::vector<TableUse>> uses;
        if (site_.main_cf && !place_.options_given) {
            check_services(tables);
            for (auto& use : find_table_uses(*site_.main_cf, main_cf_file_, master_cf_path_, services_)) {
                uses[use.table].push_back(std::move(use));
            }
            check_approval(uses);
            check_types(uses, tables);
        }
        for (const auto& name : site_.approved.tables()) {
            if (tables.serves(name)) {
                tables.read(name, uses[name]);
            } else if (!unknown_.contains(name)) {
                check_relay(name, uses[name]);
            }
        }
        check_domain_tables(tables);
        result_.tables = tables.tables_read();
        result_.reading_tables = tables.reading_tables();
        const bool as_daemon = can_be(user);
        if (as_daemon) check_access(tables, *user);
        if (connect && tables.any_usable()) {
            if (as_daemon) master::drop_privileges(user->account, std::nullopt);
            tables.connect();
            result_.answering = tables.tables_answering();
        }
        tables.tell_doubts();
    }

    [[nodiscard]] bool is_alone() const { return !place_.has_main_cf || place_.options_given; }

    // Whether to continue as the daemon's user, to see what that user may read. Only root can change its
    // user.
    [[nodiscard]] bool can_be(const std::optional<DaemonUser>& user) {
        if (geteuid() != 0) {
            if (!place_.user) return false;
            throw std::runtime_error("only root can see what another user may read: run this as root");
        }
        if (user || place_.user) return user.has_value();
        result_.findings.note(place_.options_path, 0,
                              "all files were read as root: if the daemon runs as another user, name it with "
                              "--user, to see whether that user may read them");
        return false;
    }

    void check_access(TableCheck& tables, const DaemonUser& reader) {
        std::vector<std::string> more_files;
        if (is_alone())
            more_files.push_back(place_.options_path);  // else it is read before the privilege drop
        tables.check_access(reader, more_files);
        result_.reader = reader.account.name;
    }

    void check_approval(const std::map<std::string, std::vector<TableUse>>& uses) {
        const auto writable = postfix::ApprovedTables::from_main_cf(
            *site_.main_cf, postfix::Access::write,
            [](const std::string& path, std::string& error) { return config::read_file(path, error); });
        const auto option_place = place_of_read_maps(place_.directory, master_cf_text_);
        for (const auto& [table, places] : uses) {
            if (site_.approved.contains(table) || writable.contains(table)) continue;
            const auto advice = how_to_approve(place_.directory, option_place, table);
            for (const auto& use : places) {
                const auto text = fmt::format("{} asks for proxy:{}, which is not in proxy_read_maps: {}",
                                              use.parameter, table, advice);
                if (use.certain) {
                    result_.findings.error(use.file, use.line, text);
                } else {
                    result_.findings.warning(use.file, use.line, text + ", if something uses this parameter");
                }
            }
        }
    }

    // The stock server is asked for the tables of `domain` lists. It checks proxy_read_maps itself.
    void check_domain_tables(const TableCheck& tables) {
        std::map<std::string, std::vector<TableUse>> uses;
        for (const auto& use : tables.domain_tables()) uses[use.table].push_back(use);
        if (uses.empty()) return;
        if (site_.main_cf && !place_.options_given) {
            check_types(uses, tables);
            std::erase_if(uses, [this](const auto& item) { return unknown_.contains(item.first); });
            check_approval(uses);
        }
        for (const auto& [table, places] : uses) check_relay(table, places);
    }

    // Reports types that neither proxyd nor the stock server has.
    void check_types(const std::map<std::string, std::vector<TableUse>>& uses, const TableCheck& tables) {
        for (const auto& [table, places] : uses) result_.in_use = result_.in_use || tables.serves(table);
        const auto stock = PostfixInstance(place_.directory, *site_.main_cf).table_types();
        if (stock.empty()) return;
        std::vector<std::string_view> known(stock.begin(), stock.end());
        const auto own = served_table_types();
        known.insert(known.end(), own.begin(), own.end());
        const auto check_type = [&](const std::string& table, const std::string& file, int line,
                                    const std::string& asks) {
            const auto type = protocol::type_of(table);
            if (std::find(known.begin(), known.end(), type) != known.end()) return;
            const auto nearest = config::nearest_name(type, known);
            unknown_.insert(table);
            result_.findings.error(
                file, line,
                fmt::format(
                    "{}proxy:{}: neither proxyd nor the stock server knows the table type \"{}\"{}", asks,
                    table, type,
                    nearest.empty() ? " (postconf -m)" : fmt::format(", did you mean \"{}\"?", nearest)));
        };
        for (const auto& [table, places] : uses) {
            for (const auto& use : places) {
                if (use.certain) check_type(table, use.file, use.line, use.parameter + " asks for ");
            }
        }
        for (const auto& table : site_.approved.tables()) {
            if (!unknown_.contains(table)) check_type(table, main_cf_path_, line_of("proxy_read_maps"), "");
        }
    }

    // The stock server answers for tables of other types, so it has to be configured.
    void check_relay(const std::string& name, const std::vector<TableUse>& uses) {
        const auto& service = site_.options.relay_service;
        const auto fault = fmt::format("proxyd does not serve {}: tables itself, ", protocol::type_of(name));
        if (is_alone()) {
            if (service.starts_with('/')) return;
            const bool allowed = site_.approved.contains(name);
            if (allowed) relay_missing(place_.options_path, 0, fault, name, "take it out of allowed_tables");
            for (const auto& use : uses) {
                relay_missing(use.file, use.line, fault, name, "take it off the list in " + use.parameter);
            }
            return;
        }
        const auto* proxymap = find_proxymap(services_);
        if (proxymap == nullptr || proxymap->command != "proxyd" || has_service(service)) return;
        const Options defaults;
        if (relay_place_ && !service.empty() && has_service(defaults.relay_service)) {
            result_.findings.error(
                relay_place_->first, relay_place_->second,
                fmt::format(
                    "relay_service = {}: {}, so that lookups in tables of other types fail: write {}, "
                    "which it has",
                    service,
                    service.starts_with('/') ? "this is proxyd itself" : "master.cf has no such service",
                    defaults.relay_service));
            return;
        }
        const auto text =
            service.empty()
                ? fmt::format("{}and relay_service is empty: lookups in {} fail", fault, name)
                : fmt::format(
                      "{0}and the stock server that answers for it is not in master.cf: lookups in {1} "
                      "fail: run `proxyctl enable`, or add \"{2} unix - - n - - proxymap -n proxymap\"{3}",
                      fault, name, service.starts_with('/') ? defaults.relay_service : service,
                      relay_place_ ? fmt::format(" (relay_service in {}:{})", relay_place_->first,
                                                 relay_place_->second)
                                   : "");
        if (uses.empty()) result_.findings.error(main_cf_path_, line_of("proxy_read_maps"), text);
        for (const auto& use : uses) result_.findings.error(use.file, use.line, text);
    }

    void relay_missing(const std::string& file, int line, const std::string& fault, const std::string& table,
                       const std::string& advice) {
        result_.findings.error(
            file, line,
            fmt::format(
                "{}and there is no stock server here to answer for {}: {}, or give relay_service a socket",
                fault, table, advice));
    }

    [[nodiscard]] bool has_service(const std::string& name) const {
        if (name.starts_with('/'))
            return !is_same_socket(name, working_directory(*site_.main_cf) + "/private/proxymap");
        return std::any_of(services_.begin(), services_.end(), [&name](const MasterService& service) {
            return service.name == name && service.type == "unix";
        });
    }

    [[nodiscard]] int line_of(std::string_view parameter) const {
        const auto* found = main_cf_file_.find(parameter);
        return found != nullptr ? found->line : 0;
    }

    const ConfigLocation& place_;
    const master::Environment& environment_;
    std::string main_cf_path_;
    std::string master_cf_path_;
    config::ParameterFile main_cf_file_;
    std::vector<MasterService> services_;
    std::vector<std::pair<std::string, std::string>> overrides_;
    int overrides_line_ = 0;
    std::string master_cf_text_;
    std::optional<std::pair<std::string, int>> relay_place_;  // file and line of relay_service
    Site site_;
    std::set<std::string> unknown_;  // tables of an unknown type
    CheckResult result_;
};

}  // namespace

CheckResult check(const ConfigLocation& place, const master::Environment& environment, bool connect) {
    if (!place.has_main_cf && !exists(place.options_path)) {
        throw std::runtime_error(
            fmt::format("there is no main.cf and no proxyd.cf in {}: give --config DIRECTORY, or "
                        "--config FILE for a stand-alone proxyd",
                        place.directory));
    }
    return Check(place, environment).run(connect);
}

Options options_in_force(const ConfigLocation& place, const master::Environment& environment,
                         std::vector<Finding>* findings) {
    Check check(place, environment);
    if (place.has_main_cf && !place.options_given) (void)check.read_postfix();
    auto options = check.check_options();
    if (findings != nullptr) *findings = check.findings().all();
    return options;
}

}  // namespace proxyd::control
