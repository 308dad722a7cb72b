#include "proxyd/server/service.h"

#include <utility>

#include <fmt/format.h>

#include "backends/report/excerpt.h"
#include "backends/report/log.h"
#include "protocol/table_name.h"

namespace proxyd::server {

namespace flag = protocol::flag;
using protocol::Command;
using protocol::Flags;
using protocol::Layout;
using protocol::Reply;
using protocol::Request;
using protocol::Status;
using protocol::TableName;

table::KeyRules key_rules(const Request& request, bool smtputf8) {
    // Clients of the older layout check and fold UTF-8 themselves, or do not want it.
    const bool utf8 = smtputf8 && request.layout == Layout::instance_flags &&
                      (request.instance_flags & flag::utf8_request) != 0;
    // Members of unionmap and pipemap tables are opened with the flags of the whole table's instance, and
    // these fold in the newer layout only.
    const bool members =
        request.layout == Layout::instance_flags && (request.instance_flags & flag::fold_fix) != 0;
    if (!utf8) return {false, (request.flags & flag::fold_fix) != 0, members};
    const bool fixed = (request.flags & flag::fixed) != 0;
    return {true, (request.flags & (fixed ? flag::fold_fix : flag::fold_mul)) != 0, members};
}

Service::Service(table::TableSet& tables, relay::Relay& relay, postfix::ApprovedTables approved,
                 ServiceSettings settings)
    : tables_(tables), relay_(relay), approved_(std::move(approved)), settings_(std::move(settings)) {}

void Service::change(postfix::ApprovedTables approved, ServiceSettings settings) {
    approved_ = std::move(approved);
    settings_ = std::move(settings);
    for (const auto& [name, table] : served_) table->outdated = true;
    served_.clear();
}

// Null: the table is not approved. Clients cannot fill the memory with names: approved ones are few.
std::shared_ptr<const ServedTable> Service::find(std::string_view table) {
    if (const auto found = served_.find(table); found != served_.end()) return found->second;
    if (!approved_.contains(table)) return nullptr;
    auto served = std::make_shared<ServedTable>(ServedTable{std::string(table), tables_.find(table)});
    return served_.emplace(served->name, std::move(served)).first->second;
}

void Service::serve(const Request& request, std::shared_ptr<const ServedTable>& table,
                    std::shared_ptr<Requester> requester) {
    // Clients ask one table again and again.
    if (!table || table->outdated || table->name != request.table) {
        const auto parsed = TableName::parse(request.table);
        table = parsed.has_type ? find(parsed.text) : nullptr;
    }
    const bool writes = request.command == Command::update || request.command == Command::remove;
    if (writes && settings_.access == postfix::Access::read) {
        log().warning(fmt::format("refusing {}", request.table),
                      fmt::format("refusing {} {} request on non-proxywrite service", excerpt(request.table),
                                  protocol::name(request.command)));
        requester->answered({Reply{Status::deny, 0, {}, {}}});
        return;
    }
    if (!table) {
        if (const auto parsed = TableName::parse(request.table); parsed.has_type) {
            deny(parsed.text, *requester);
        } else {
            requester->answered({Reply{Status::bad, 0, {}, {}}});
        }
        return;
    }
    if (table->table == nullptr) {
        auto relayed = request;
        relayed.table = table->name;
        relay_.ask(relayed, [requester = std::move(requester)](const Reply& reply) {
            requester->answered({reply, table::Source::relay});
        });
        return;
    }
    switch (request.command) {
        case Command::open: open(request, *table, *requester); return;
        case Command::lookup: lookup(request, *table, std::move(requester)); return;
        case Command::update:
        case Command::remove:
        case Command::sequence: break;
    }
    // SQL tables can neither be changed nor listed.
    log().warning(
        fmt::format("{} {}", protocol::name(request.command), table->name),
        fmt::format("table {}: {} is not supported", excerpt(table->name), protocol::name(request.command)));
    requester->answered({Reply{Status::retry, protocol::echoed_flags(request), {}, {}}});
}

// Always succeeds: a fault of the table shows in its lookups, as a soft error. Even an unusable table is
// announced as one of fixed strings. Otherwise a client would ask only for full addresses, even after the
// table has been corrected, and miss its entries for domains.
void Service::open(const Request& request, const ServedTable& table, Requester& requester) {
    const bool newer = request.layout == Layout::instance_flags;
    Flags flags = newer ? request.instance_flags : request.flags;
    if (settings_.access == postfix::Access::write) {
        flags |= flag::pattern;
        if (newer) flags |= flag::surrogate;
    } else {
        table.table->open();
        flags |= flag::fixed;
    }
    if (newer && settings_.smtputf8 && (request.instance_flags & flag::utf8_request) != 0)
        flags |= flag::utf8_active;
    requester.answered({Reply{Status::ok, flags, {}, {}}});
}

void Service::lookup(const Request& request, const ServedTable& table, std::shared_ptr<Requester> requester) {
    if (settings_.access == postfix::Access::write) {
        log().warning(fmt::format("write {}", table.name),
                      fmt::format("table {} cannot be opened for writing: SQL tables are read-only",
                                  excerpt(table.name)));
        requester->answered({Reply{Status::retry, request.flags, {}, {}}});
        return;
    }
    tables_.lookup(*table.table, request.key, key_rules(request, settings_.smtputf8),
                   [flags = request.flags, requester = std::move(requester)](table::LookupResult result) {
                       requester->answered({Reply{result.status, flags, {}, result.value, &result.value},
                                            result.source, result.failure});
                   });
}

std::string Service::approval_advice(std::string_view table) const {
    const auto shown = excerpt(table);
    if (!tables_.serves(table) && !relay_.has_server()) {
        return fmt::format("tables of type {} are not served here: ask for {} instead of proxy:{}",
                           excerpt(TableName::parse(table).type), shown, shown);
    }
    return fmt::format("to approve this table for {} access, list proxy:{} in {}",
                       settings_.access == postfix::Access::read ? "read-only" : "read-write", shown,
                       settings_.approval_hint);
}

void Service::deny(std::string_view table, Requester& requester) const {
    log().warning(fmt::format("unapproved {}", table),
                  fmt::format("request for unapproved table: \"{}\"", excerpt(table)));
    log().warning(fmt::format("approve {}", table), approval_advice(table));
    requester.answered({Reply{Status::deny, 0, {}, {}}});
}

}  // namespace proxyd::server
