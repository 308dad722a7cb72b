#include "proxyd/control/postfix/table_uses.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "backends/config/list.h"
#include "backends/table_types.h"
#include "protocol/table_name.h"
#include "proxyd/config/site.h"
#include "proxyd/postfix/approved_tables.h"

namespace proxyd::control {

using protocol::TableName;

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

// The tables that an expanded value asks for.
using TablesIn = std::function<std::vector<std::string>(std::string_view value)>;

// The tables of unionmap:{...} and pipemap:{...} are in braces.
std::string_view without_composite(std::string_view text) {
    const auto table = TableName::parse(text);
    return !table.proxied && protocol::is_composite_type(table.type) ? table.name : text;
}

// Collects the tables of these types that are named without proxy:.
void collect_direct(std::string_view value, const std::vector<std::string_view>& types,
                    std::vector<std::string>& tables) {
    for (const auto& token : config::split_list_with_braces(value)) {
        std::string_view text = token;
        text = without_composite(text);
        std::string error;
        if (text.starts_with('{')) {
            if (const auto inside = config::strip_braces(text, error)) collect_direct(*inside, types, tables);
        } else if (const auto table = TableName::parse(text);
                   table.has_type && !table.proxied &&
                   std::find(types.begin(), types.end(), table.type) != types.end()) {
            tables.emplace_back(text);
        }
    }
}

// Collects the tables named as proxy:/path, without a type.
void collect_typeless(std::string_view value, std::vector<std::string>& tables) {
    for (const auto& token : config::split_list_with_braces(value)) {
        const auto table = TableName::parse(without_composite(token));
        const auto text = table.text;
        std::string error;
        if (text.starts_with('{')) {
            if (const auto inside = config::strip_braces(text, error)) collect_typeless(*inside, tables);
        } else if (token.starts_with("proxy:") && text.starts_with('/') && !table.has_type) {
            tables.emplace_back(text);
        }
    }
}

// The restrictions before the table; one empty string when there are none.
std::vector<std::string> restrictions_before(std::string_view value, std::string_view table) {
    std::vector<std::string> found;
    std::string plain(value);
    std::replace_if(
        plain.begin(), plain.end(), [](char c) { return c == '{' || c == '}'; }, ' ');
    std::string before;
    for (const auto& word : config::split_list(plain)) {
        std::string_view text = word;
        while (text.starts_with("proxy:")) text.remove_prefix(6);
        if (text == table && std::find(found.begin(), found.end(), before) == found.end())
            found.push_back(before);
        if (text != "unionmap:" && text != "pipemap:")
            before = word.starts_with("check_") ? word : std::string();
    }
    if (found.empty()) found.emplace_back();
    return found;
}

class UseSearch {
  public:
    UseSearch(const postfix::MainCf& main_cf, TablesIn tables_in)
        : main_cf_(main_cf),
          tables_in_(std::move(tables_in)),
          classes_(config::split_list(
              expand_or_nothing(main_cf, main_cf.raw("smtpd_restriction_classes").value_or("")))) {}

    void look(std::string_view parameter, std::string_view value, const std::string& file, int line,
              bool certain) {
        if (allows(parameter)) return;
        const auto expanded = expand_or_nothing(main_cf_, value);
        for (const auto& table : tables_in_(expanded)) {
            for (auto& restriction : restrictions_before(expanded, table))
                uses_.push_back({table, std::string(parameter), file, line, certain, std::move(restriction)});
        }
    }

    [[nodiscard]] bool is_class(const std::string& name) const {
        return std::find(classes_.begin(), classes_.end(), name) != classes_.end();
    }
    [[nodiscard]] std::vector<TableUse> take() { return std::move(uses_); }

  private:
    const postfix::MainCf& main_cf_;
    TablesIn tables_in_;
    std::vector<std::string> classes_;
    std::vector<TableUse> uses_;
};

std::vector<TableUse> search_everywhere(const postfix::MainCf& main_cf, const config::ParameterFile& file,
                                        const std::string& master_cf_path,
                                        const std::vector<MasterService>& services, TablesIn tables_in) {
    UseSearch search(main_cf, std::move(tables_in));
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

std::vector<TableUse> search_certain(const postfix::MainCf& main_cf, const config::ParameterFile& file,
                                     const std::string& master_cf_path,
                                     const std::vector<MasterService>& services, TablesIn tables_in) {
    auto uses = search_everywhere(main_cf, file, master_cf_path, services, std::move(tables_in));
    std::erase_if(uses, [](const TableUse& use) { return !use.certain; });
    return uses;
}

}  // namespace

std::vector<TableUse> find_table_uses(const postfix::MainCf& main_cf, const config::ParameterFile& file,
                                      const std::string& master_cf_path,
                                      const std::vector<MasterService>& services) {
    auto rules = postfix::token_rules(main_cf.mail_version());
    // A name counts as used even where this release would not approve it.
    rules.braces = true;
    rules.nested_maps = true;
    return search_everywhere(main_cf, file, master_cf_path, services, [&rules](std::string_view value) {
        const auto found = ApprovedTables::from_value(
            value, rules, [](const std::string&, std::string&) { return std::optional<std::string>(""); });
        return std::vector<std::string>(found.tables().begin(), found.tables().end());
    });
}

std::vector<TableUse> find_direct_uses(const postfix::MainCf& main_cf, const config::ParameterFile& file,
                                       const std::string& master_cf_path,
                                       const std::vector<MasterService>& services,
                                       const std::vector<std::string_view>& types) {
    return search_certain(main_cf, file, master_cf_path, services, [&types](std::string_view value) {
        std::vector<std::string> tables;
        collect_direct(value, types, tables);
        return tables;
    });
}

std::vector<TableUse> find_typeless_uses(const postfix::MainCf& main_cf, const config::ParameterFile& file,
                                         const std::string& master_cf_path,
                                         const std::vector<MasterService>& services) {
    return search_certain(main_cf, file, master_cf_path, services, [](std::string_view value) {
        std::vector<std::string> tables;
        collect_typeless(value, tables);
        return tables;
    });
}

std::string fault_of_table(std::string_view table, const std::vector<std::string>& stock_types) {
    constexpr std::array<std::string_view, 8> with_plain_file = {"pgsql", "mysql",    "sqlite", "ldap",
                                                                 "pcre",  "memcache", "regexp", "cidr"};
    const auto parsed = TableName::parse(table);
    const auto type = parsed.type;
    const std::string name(parsed.name);
    std::vector<std::string_view> known(stock_types.begin(), stock_types.end());
    const auto own = served_table_types();
    known.insert(known.end(), own.begin(), own.end());
    if (!stock_types.empty() && std::find(known.begin(), known.end(), type) == known.end()) {
        const auto nearest = config::nearest_name(type, known);
        return fmt::format(
            "Neither proxyd nor the stock server knows the table type \"{}\"{}", type,
            nearest.empty() ? " (postconf -m)" : fmt::format(", did you mean \"{}\"?", nearest));
    }
    const bool plain =
        std::find(with_plain_file.begin(), with_plain_file.end(), type) != with_plain_file.end();
    if (plain && name.starts_with('/') && access(name.c_str(), F_OK) != 0 && errno == ENOENT)
        return fmt::format("There is no file {}", name);
    return {};
}

std::string place_of_read_maps(const std::string& config_directory, std::string_view master_cf) {
    const auto services = read_services(master_cf);
    const auto* service = find_proxymap(services);
    if (service == nullptr) return {};
    const auto& options = service->overrides;
    const bool given = std::any_of(options.begin(), options.end(),
                                   [](const auto& option) { return option.first == "proxy_read_maps"; });
    if (!given) return {};
    return fmt::format("{}/master.cf:{}", config_directory,
                       line_of_option(master_cf, service->line, "proxy_read_maps"));
}

std::string how_to_approve(const std::string& config_directory, const std::string& option_place,
                           std::string_view table) {
    if (!option_place.empty()) {
        return fmt::format("-o proxy_read_maps in {} takes precedence over main.cf: add proxy:{} there",
                           option_place, table);
    }
    const auto postconf = config_directory == default_config_directory
                              ? std::string("postconf")
                              : fmt::format("postconf -c {}", config_directory);
    return fmt::format("append it with: {0} -e \"proxy_read_maps = $({0} -h proxy_read_maps) proxy:{1}\"",
                       postconf, table);
}

}  // namespace proxyd::control
