#include "proxyd/control/proxied_tables.h"

#include <algorithm>

#include "backends/config/list.h"
#include "proxyd/postfix/approved_tables.h"

namespace proxyd::control {
namespace {

using postfix::ApprovedTables;

// The only parameter whose built-in value asks for a proxied table.
constexpr std::string_view default_user = "local_recipient_maps";

bool allows(std::string_view parameter) {
    return parameter == "proxy_read_maps" || parameter == "proxy_write_maps";
}

std::string expand_or_nothing(const postfix::MainCf& main_cf, std::string_view text) {
    try {
        return main_cf.expand(text);
    } catch (const config::ExpansionError&) {
        return {};
    }
}

class Search {
  public:
    explicit Search(const postfix::MainCf& main_cf)
        : main_cf_(main_cf),
          rules_(postfix::token_rules(main_cf.mail_version())),
          classes_(config::split_list(
              expand_or_nothing(main_cf, main_cf.raw("smtpd_restriction_classes").value_or("")))) {
        // A name counts as used also where this release would not take its place for an approval.
        rules_.braces = true;
        rules_.nested_maps = true;
    }

    void look(std::string_view parameter, std::string_view value, const std::string& file, int line,
              bool certain) {
        if (allows(parameter)) return;
        const auto found = ApprovedTables::from_value(
            expand_or_nothing(main_cf_, value), rules_,
            [](const std::string&, std::string&) { return std::optional<std::string>(""); });
        for (const auto& table : found.tables()) {
            uses_.push_back({table, std::string(parameter), file, line, certain});
        }
    }

    [[nodiscard]] bool is_class(const std::string& name) const {
        return std::find(classes_.begin(), classes_.end(), name) != classes_.end();
    }
    [[nodiscard]] std::vector<TableUse> take() { return std::move(uses_); }

  private:
    const postfix::MainCf& main_cf_;
    postfix::TokenRules rules_;
    std::vector<std::string> classes_;
    std::vector<TableUse> uses_;
};

}  // namespace

std::vector<TableUse> find_table_uses(const postfix::MainCf& main_cf, const config::ParameterFile& file,
                                      const std::string& master_cf_path,
                                      const std::vector<MasterService>& services) {
    Search search(main_cf);
    for (const auto& [name, parameter] : file.parameters) {
        const bool certain = main_cf.has_default(name) || search.is_class(name);
        search.look(name, parameter.value, file.path, parameter.line, certain);
    }
    if (!main_cf.configured(default_user)) {
        search.look(default_user, main_cf.raw(default_user).value_or(""), file.path, 0, true);
    }
    for (const auto& service : services) {
        for (const auto& [name, value] : service.overrides) {
            search.look(name, value, master_cf_path, service.line, true);
        }
    }
    return search.take();
}

}  // namespace proxyd::control
