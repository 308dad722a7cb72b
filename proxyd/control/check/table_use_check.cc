#include "proxyd/control/check/table_use_check.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "backends/config/list.h"
#include "backends/table_types.h"
#include "protocol/table_name.h"
#include "proxyd/control/check/table_name_check.h"
#include "proxyd/control/postfix/master_cf.h"

namespace proxyd::control {
namespace {

std::string not_served(std::string_view table) {
    return fmt::format("proxyd does not serve {}: tables itself, ", protocol::type_of(table));
}

}  // namespace

UsesByTable by_table(std::vector<TableUse> uses) {
    UsesByTable sorted;
    for (auto& use : uses) {
        auto& places = sorted[use.table];
        places.push_back(std::move(use));
    }
    return sorted;
}

TableUseCheck::TableUseCheck(Context context, Findings& findings)
    : context_(std::move(context)), findings_(findings) {}

void TableUseCheck::check_uses(const UsesByTable& uses) {
    check_approval(uses);
    check_types(uses);
}

void TableUseCheck::check_domain_tables(UsesByTable uses) {
    if (uses.empty()) return;
    if (!context_.place.stands_alone()) {
        check_types(uses);
        std::erase_if(uses, [this](const auto& item) { return unknown_.contains(item.first); });
        check_approval(uses);
    }
    for (const auto& [table, places] : uses) check_relay(table, places);
}

void TableUseCheck::check_approval(const UsesByTable& uses) {
    const auto& directory = context_.place.directory;
    const auto writable = postfix::ApprovedTables::from_main_cf(
        *context_.site.main_cf, postfix::Access::write,
        [](const std::string& path, std::string& error) { return config::read_file(path, error); });
    const auto option_place = place_of_read_maps(directory, context_.postfix.master_cf);
    for (const auto& [table, places] : uses) {
        if (context_.site.approved.contains(table) || writable.contains(table)) continue;
        const auto advice = how_to_approve(directory, option_place, table);
        for (const auto& use : places) {
            const auto text = fmt::format("{} asks for proxy:{}, which is not in proxy_read_maps: {}",
                                          use.parameter, table, advice);
            if (use.certain) {
                findings_.error(use.file, use.line, text);
            } else {
                findings_.warning(use.file, use.line, text + ", if something uses this parameter");
            }
        }
    }
}

// Reports types that neither proxyd nor the stock server has.
void TableUseCheck::check_types(const UsesByTable& uses) {
    if (context_.stock_types.empty()) return;
    std::vector<std::string_view> known(context_.stock_types.begin(), context_.stock_types.end());
    const auto own = served_table_types();
    known.insert(known.end(), own.begin(), own.end());
    const auto check_type = [&](const std::string& table, const std::string& file, int line,
                                const std::string& asks) {
        const auto type = protocol::type_of(table);
        if (std::find(known.begin(), known.end(), type) != known.end()) return;
        const auto nearest = config::nearest_name(type, known);
        unknown_.insert(table);
        findings_.error(
            file, line,
            fmt::format("{}proxy:{}: neither proxyd nor the stock server knows the table type \"{}\"{}", asks,
                        table, type,
                        nearest.empty() ? " (postconf -m)" : fmt::format(", did you mean \"{}\"?", nearest)));
    };
    for (const auto& [table, places] : uses) {
        for (const auto& use : places) {
            if (use.certain) check_type(table, use.file, use.line, use.parameter + " asks for ");
        }
    }
    const auto& postfix = context_.postfix;
    for (const auto& table : context_.site.approved.tables()) {
        if (!unknown_.contains(table))
            check_type(table, postfix.main_cf_path, postfix.line_of("proxy_read_maps"), "");
    }
}

void TableUseCheck::check_relay(const std::string& table, const std::vector<TableUse>& uses) {
    if (unknown_.contains(table)) return;
    if (context_.place.stands_alone()) {
        check_relay_alone(table, uses);
    } else {
        check_relay_entry(table, uses);
    }
}

void TableUseCheck::check_relay_alone(const std::string& table, const std::vector<TableUse>& uses) {
    if (context_.site.options.relay_service.starts_with('/')) return;
    const auto tell = [&](const std::string& file, int line, const std::string& advice) {
        findings_.error(file, line,
                        fmt::format("{}and there is no stock server here to answer for {}: {}, or give "
                                    "relay_service a socket",
                                    not_served(table), table, advice));
    };
    if (context_.site.approved.contains(table))
        tell(context_.place.options_path, 0, "take it out of allowed_tables");
    for (const auto& use : uses) tell(use.file, use.line, "take it off the list in " + use.parameter);
}

// The stock server needs an entry of its own in master.cf, under the name that proxyd asks.
void TableUseCheck::check_relay_entry(const std::string& table, const std::vector<TableUse>& uses) {
    const auto& postfix = context_.postfix;
    const auto& set_at = context_.relay_service;
    const auto& service = context_.site.options.relay_service;
    const auto* proxymap = find_proxymap(postfix.services);
    if (proxymap == nullptr || proxymap->command != "proxyd" || has_service(service)) return;
    const Options defaults;
    if (set_at && !service.empty() && has_service(defaults.relay_service)) {
        findings_.error(
            set_at->file, set_at->line,
            fmt::format("relay_service = {}: {}, so that lookups in tables of other types fail: write {}, "
                        "which it has",
                        service,
                        service.starts_with('/') ? "this is proxyd itself" : "master.cf has no such service",
                        defaults.relay_service));
        return;
    }
    const auto text =
        service.empty()
            ? fmt::format("{}and relay_service is empty: lookups in {} fail", not_served(table), table)
            : fmt::format(
                  "{0}and the stock server that answers for it is not in master.cf: lookups in {1} "
                  "fail: run `proxyctl enable`, or add \"{2} unix - - n - - proxymap -n proxymap\"{3}",
                  not_served(table), table, service.starts_with('/') ? defaults.relay_service : service,
                  set_at ? fmt::format(" (relay_service in {}:{})", set_at->file, set_at->line) : "");
    if (uses.empty()) findings_.error(postfix.main_cf_path, postfix.line_of("proxy_read_maps"), text);
    for (const auto& use : uses) findings_.error(use.file, use.line, text);
}

bool TableUseCheck::has_service(const std::string& name) const {
    if (name.starts_with('/'))
        return !is_same_socket(name, working_directory(*context_.site.main_cf) + "/private/proxymap");
    return find_service(context_.postfix.services, name) != nullptr;
}

}  // namespace proxyd::control
