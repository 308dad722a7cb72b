#include "proxyd/control/check.h"

#include <algorithm>
#include <map>
#include <ostream>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxyd/control/master_cf.h"
#include "proxyd/control/proxied_tables.h"
#include "proxyd/control/table_check.h"
#include "proxyd/master/privileges.h"
#include "proxyd/site.h"

namespace proxyd::control {
namespace {

bool exists(const std::string& path) {
    return access(path.c_str(), F_OK) == 0;
}

std::string type_of(const std::string& table) {
    return table.substr(0, table.find(':'));
}

bool is_option(std::string_view name) {
    const auto& all = option_infos();
    return std::any_of(all.begin(), all.end(),
                       [name](const OptionInfo& option) { return option.name == name; });
}

// One configuration, from the daemon's options to its tables.
class Check {
  public:
    Check(const ConfigPlace& place, const master::Environment& environment)
        : place_(place),
          environment_(environment),
          main_cf_path_(place.directory + "/main.cf"),
          master_cf_path_(place.directory + "/master.cf") {}

    CheckResult run(bool connect) {
        if (place_.has_main_cf && !place_.options_given && !read_postfix()) return std::move(result_);
        check_options();
        try {
            site_ = read_site(arguments(), environment());
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

    // What the daemon would be started with.
    [[nodiscard]] master::DaemonArguments arguments() const {
        master::DaemonArguments arguments;
        arguments.process_name = "proxyd";
        arguments.service_name = "proxymap";
        arguments.overrides = overrides_;
        if (!place_.has_main_cf || place_.options_given) {
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

    // False: there is no use in going on.
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
        const auto master_cf = config::read_file(master_cf_path_, error);
        if (master_cf) {
            services_ = read_services(*master_cf);
        } else {
            result_.findings.error(master_cf_path_, 0, error);
        }
        for (const auto& service : services_) {
            if (service.name != "proxymap" || service.type != "unix") continue;
            overrides_ = service.overrides;
            overrides_line_ = service.line;
        }
        return true;
    }

  private:
    void check_options() {
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
            if (!problem.empty()) result_.findings.error(master_cf_path_, overrides_line_, problem);
        }
    }

    void check_tables(bool connect) {
        std::map<std::string, std::vector<TableUse>> uses;
        if (site_.main_cf && !place_.options_given) {
            for (auto& use : find_table_uses(*site_.main_cf, main_cf_file_, master_cf_path_, services_)) {
                uses[use.table].push_back(std::move(use));
            }
            check_approval(uses);
        }
        TableCheck tables(table_set_options(site_), main_cf_path_, result_.findings);
        for (const auto& name : site_.approved.tables()) {
            if (tables.serves(type_of(name))) {
                tables.read(name);
            } else {
                refuse_type(name, uses[name]);
            }
        }
        result_.tables = tables.tables_read();
        if (site_.main_cf && geteuid() == 0) {
            tables.check_access(master::find_account(site_.main_cf->value("mail_owner")));
        }
        if (!connect || !tables.any_usable()) return;
        if (site_.main_cf && geteuid() == 0) {
            master::drop_privileges(master::find_account(site_.main_cf->value("mail_owner")), std::nullopt);
        }
        tables.connect();
        result_.answering = tables.tables_answering();
    }

    void check_approval(const std::map<std::string, std::vector<TableUse>>& uses) {
        const auto writable = postfix::ApprovedTables::from_main_cf(
            *site_.main_cf, postfix::Access::write,
            [](const std::string& path, std::string& error) { return config::read_file(path, error); });
        for (const auto& [table, places] : uses) {
            if (site_.approved.contains(table) || writable.contains(table)) continue;
            for (const auto& use : places) {
                const auto text =
                    fmt::format("{} asks for proxy:{}, which is not in proxy_read_maps: add proxy:{} there",
                                use.parameter, table, table);
                if (use.certain) {
                    result_.findings.error(use.file, use.line, text);
                } else {
                    result_.findings.warning(use.file, use.line, text + ", if something uses this parameter");
                }
            }
        }
    }

    void refuse_type(const std::string& name, const std::vector<TableUse>& uses) {
        const auto fault =
            fmt::format("proxyd does not serve {}: tables yet, lookups in {} fail: ", type_of(name), name);
        if (!site_.main_cf || place_.options_given) {
            result_.findings.error(place_.options_path, 0, fault + "take it out of allowed_tables");
            return;
        }
        const auto advice = fmt::format("write {} without proxy:", name);
        if (uses.empty()) result_.findings.error(main_cf_path_, line_of("proxy_read_maps"), fault + advice);
        for (const auto& use : uses) {
            const bool by_default = use.line == 0;  // local_recipient_maps: nothing else is proxied then
            result_.findings.error(use.file, use.line, fault + (by_default ? advice_on_users() : advice));
        }
    }

    [[nodiscard]] std::string advice_on_users() const {
        const bool chrooted = std::any_of(
            services_.begin(), services_.end(),
            [](const MasterService& service) { return service.command == "smtpd" && service.chroot != "n"; });
        // In a chroot there is no list of users, and all would be unknown.
        if (!chrooted) return "set local_recipient_maps = unix:passwd.byname $alias_maps in main.cf";
        return "set local_recipient_maps = $alias_maps in main.cf; where mail for other system users is "
               "wanted, set it "
               "to unix:passwd.byname $alias_maps and the chroot column of smtpd in master.cf to n";
    }

    [[nodiscard]] int line_of(std::string_view parameter) const {
        const auto* found = main_cf_file_.find(parameter);
        return found != nullptr ? found->line : 0;
    }

    const ConfigPlace& place_;
    const master::Environment& environment_;
    std::string main_cf_path_;
    std::string master_cf_path_;
    config::ParameterFile main_cf_file_;
    std::vector<MasterService> services_;
    std::vector<std::pair<std::string, std::string>> overrides_;
    int overrides_line_ = 0;
    Site site_;
    CheckResult result_;
};

}  // namespace

CheckResult check(const ConfigPlace& place, const master::Environment& environment, bool connect) {
    if (!place.has_main_cf && !exists(place.options_path)) {
        throw std::runtime_error(
            fmt::format("there is no main.cf and no proxyd.cf in {}: give --config DIRECTORY, or "
                        "--config FILE for a stand-alone proxyd",
                        place.directory));
    }
    return Check(place, environment).run(connect);
}

int report(const CheckResult& result, bool connect, std::ostream& out) {
    for (const auto& finding : result.findings.all()) out << format(finding) << '\n';
    const auto errors = result.findings.count(Gravity::error);
    const auto warnings = result.findings.count(Gravity::warning);
    const auto plural = [](std::size_t count, const char* noun) {
        return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
    };
    out << fmt::format("checked {}{}: {}, {}\n", plural(result.tables, "table"),
                       connect ? fmt::format(", {} answered", result.answering) : "", plural(errors, "error"),
                       plural(warnings, "warning"));
    return errors > 0 ? 1 : 0;
}

void print_options(const ConfigPlace& place, const master::Environment& environment, std::ostream& out) {
    Check check(place, environment);
    if (place.has_main_cf && !place.options_given) (void)check.read_postfix();
    Options options;
    std::vector<std::string> problems;
    if (place.options_given || exists(place.options_path)) {
        std::string error;
        const auto file = config::read_parameter_file(place.options_path, error);
        if (!file) throw std::runtime_error(error);
        for (const auto& problem : apply(options, *file)) {
            problems.push_back(format({place.options_path, problem.line, Gravity::error, problem.message}));
        }
    }
    for (const auto& [name, value] : check.arguments().overrides) {
        if (!is_option(name)) continue;
        const auto problem = set_option(options, name, value);
        if (!problem.empty()) problems.push_back(problem);
    }
    if (!problems.empty()) throw std::runtime_error(problems.front());
    for (const auto& option : option_infos())
        out << option.name << " = " << option_text(options, option.name) << '\n';
}

}  // namespace proxyd::control
