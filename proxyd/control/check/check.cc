#include "proxyd/control/check/check.h"

#include <algorithm>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "protocol/table_name.h"
#include "proxyd/config/site.h"
#include "proxyd/control/check/daemon_user.h"
#include "proxyd/control/check/ineffective_options.h"
#include "proxyd/control/check/options_check.h"
#include "proxyd/control/check/postfix_config.h"
#include "proxyd/control/check/service_check.h"
#include "proxyd/control/check/table_check.h"
#include "proxyd/control/check/table_name_check.h"
#include "proxyd/control/check/table_use_check.h"
#include "proxyd/control/postfix/instance.h"
#include "proxyd/control/postfix/master_cf.h"
#include "proxyd/control/postfix/table_uses.h"

namespace proxyd::control {

using protocol::TableName;
namespace {

// The check of one configuration, from the daemon's options to its tables.
class Check {
  public:
    Check(const ConfigLocation& place, const master::Environment& environment)
        : place_(place), environment_(environment), postfix_(place.directory) {}

    CheckResult run(bool connect) {
        auto& findings = result_.findings;
        if (!place_.stands_alone() && !postfix_.read(place_.master_cf_text, findings))
            return std::move(result_);
        const auto options = check_options(place_, postfix_, findings);
        if (!read_site_as_daemon()) return std::move(result_);
        if (site_.main_cf) {
            for (const auto& warning : site_.approved.warnings())
                findings.warning(postfix_.main_cf_path, postfix_.line_of("proxy_read_maps"), warning);
        }
        check_tables(options, connect);
        return std::move(result_);
    }

  private:
    // The arguments that the daemon would be started with.
    [[nodiscard]] master::DaemonArguments arguments() const {
        master::DaemonArguments arguments;
        arguments.process_name = "proxyd";
        arguments.service_name = "proxymap";
        if (const auto* entry = find_proxymap(postfix_.services)) arguments.overrides = entry->overrides;
        if (place_.stands_alone()) {
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
    bool read_site_as_daemon() {
        try {
            site_ = read_site(arguments(), environment());
            return true;
        } catch (const postfix::BadConfigFile& error) {
            result_.findings.error(error.file(), error.line(), error.fault());
        } catch (const std::exception& error) {
            result_.findings.error(place_.has_main_cf ? postfix_.main_cf_path : place_.options_path, 0,
                                   error.what());
        }
        return false;
    }

    void check_tables(const CheckedOptions& options, bool connect) {
        const bool alone = place_.stands_alone();
        const auto user = find_daemon_user(place_, alone ? nullptr : site_.main_cf.get());
        const TableReader reader{user ? user->group : "", alone ? "" : working_directory(*site_.main_cf)};
        TableCheck tables(table_set_options(site_), postfix_.main_cf, postfix_.main_cf_path, reader,
                          result_.findings);
        if (!alone) check_services(tables);
        check_uses(options, tables);
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

    void check_services(const TableCheck& tables) {
        std::set<std::string> table_files;
        for (const auto& name : site_.approved.tables()) {
            const auto file = TableName::parse(name).name;
            if (file.starts_with('/') && tables.serves(name)) table_files.emplace(file);
        }
        const PostfixFiles files{*site_.main_cf, postfix_.main_cf, postfix_.master_cf_path, postfix_.services,
                                 site_.approved};
        check_proxymap_service(files, table_files, result_.findings);
        const auto& options = site_.options;
        for (const auto& name : {std::string("proxymap"), options.relay_service, options.relay_write_service})
            check_repeated_entry(files, name, result_.findings);
        check_relay_entry(files, options.relay_service, "proxymap", result_.findings);
        check_relay_entry(files, options.relay_write_service, "proxywrite", result_.findings);
        check_users_in_chroot(files, result_.findings);
        check_options_in_main_cf(postfix_.main_cf, *site_.main_cf, place_.options_path, result_.findings);
        check_missing_types(files, result_.findings);
        note_direct_uses(files, result_.findings);
    }

    // Checks the places that ask for tables, and reads the tables that proxyd serves.
    void check_uses(const CheckedOptions& options, TableCheck& tables) {
        TableUseCheck use_check({place_, postfix_, site_, options.relay_service, stock_types()},
                                result_.findings);
        UsesByTable uses;
        if (!place_.stands_alone()) {
            uses = by_table(find_table_uses(*site_.main_cf, postfix_.main_cf, postfix_.master_cf_path,
                                            postfix_.services));
            use_check.check_uses(uses);
            note_use(uses, tables);
        }
        for (const auto& name : site_.approved.tables()) {
            if (tables.serves(name)) {
                tables.read(name, uses[name]);
            } else {
                use_check.check_relay(name, uses[name]);
            }
        }
        const auto domain_uses = by_table(tables.domain_tables());
        if (!place_.stands_alone()) note_use(domain_uses, tables);
        use_check.check_domain_tables(domain_uses);
    }

    [[nodiscard]] std::vector<std::string> stock_types() const {
        if (place_.stands_alone()) return {};
        return PostfixInstance(place_.directory, *site_.main_cf).table_types();
    }

    void note_use(const UsesByTable& uses, const TableCheck& tables) {
        result_.in_use = result_.in_use || std::any_of(uses.begin(), uses.end(), [&](const auto& use) {
                             return tables.serves(use.first);
                         });
    }

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
        if (place_.stands_alone())
            more_files.push_back(place_.options_path);  // else it is read before the privilege drop
        tables.check_access(reader, more_files);
        result_.reader = reader.account.name;
    }

    const ConfigLocation& place_;
    const master::Environment& environment_;
    PostfixConfig postfix_;
    Site site_;
    CheckResult result_;
};

}  // namespace

CheckResult check(const ConfigLocation& place, const master::Environment& environment, bool connect) {
    if (!place.has_main_cf && access(place.options_path.c_str(), F_OK) != 0) {
        throw std::runtime_error(
            fmt::format("there is no main.cf and no proxyd.cf in {}: give --config DIRECTORY, or "
                        "--config FILE for a stand-alone proxyd",
                        place.directory));
    }
    return Check(place, environment).run(connect);
}

}  // namespace proxyd::control
