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
}

void Service::serve(const Request& request, ReplyCallback reply) {
    const bool writes = request.command == Command::update || request.command == Command::remove;
    if (writes && settings_.access == postfix::Access::read) {
        log().warning(fmt::format("refusing {}", request.table),
                      fmt::format("refusing {} {} request on non-proxywrite service", excerpt(request.table),
                                  protocol::name(request.command)));
        reply(Reply{Status::deny, 0, {}, {}});
        return;
    }
    const auto parsed = TableName::parse(request.table);
    const auto table = parsed.text;
    if (!parsed.has_type) {
        reply(Reply{Status::bad, 0, {}, {}});
        return;
    }
    if (!approved_.contains(table)) {
        deny(table, reply);
        return;
    }
    if (!tables_.serves(table)) {
        auto relayed = request;
        relayed.table = table;
        relay_.ask(relayed, std::move(reply));
        return;
    }
    switch (request.command) {
        case Command::open: open(request, table, reply); return;
        case Command::lookup: lookup(request, table, std::move(reply)); return;
        case Command::update:
        case Command::remove:
        case Command::sequence: break;
    }
    // SQL tables can neither be changed nor listed.
    log().warning(
        fmt::format("{} {}", protocol::name(request.command), table),
        fmt::format("table {}: {} is not supported", excerpt(table), protocol::name(request.command)));
    reply(Reply{Status::retry, protocol::echoed_flags(request), {}, {}});
}

// Always succeeds: a fault of the table shows in its lookups, as a soft error. Even an unusable table is
// announced as one of fixed strings. Otherwise a client would ask only for full addresses, even after the
// table has been corrected, and miss its entries for domains.
void Service::open(const Request& request, std::string_view table, const ReplyCallback& reply) {
    const bool newer = request.layout == Layout::instance_flags;
    Flags flags = newer ? request.instance_flags : request.flags;
    if (settings_.access == postfix::Access::write) {
        flags |= flag::pattern;
        if (newer) flags |= flag::surrogate;
    } else {
        tables_.open(table);
        flags |= flag::fixed;
    }
    if (newer && settings_.smtputf8 && (request.instance_flags & flag::utf8_request) != 0)
        flags |= flag::utf8_active;
    reply(Reply{Status::ok, flags, {}, {}});
}

void Service::lookup(const Request& request, std::string_view table, ReplyCallback reply) {
    if (settings_.access == postfix::Access::write) {
        log().warning(
            fmt::format("write {}", table),
            fmt::format("table {} cannot be opened for writing: SQL tables are read-only", excerpt(table)));
        reply(Reply{Status::retry, request.flags, {}, {}});
        return;
    }
    const auto flags = request.flags;
    tables_.lookup(table, request.key, key_rules(request, settings_.smtputf8),
                   [flags, reply = std::move(reply)](table::LookupResult result) {
                       reply(Reply{result.status, flags, {}, result.value, &result.value});
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

void Service::deny(std::string_view table, const ReplyCallback& reply) const {
    log().warning(fmt::format("unapproved {}", table),
                  fmt::format("request for unapproved table: \"{}\"", excerpt(table)));
    log().warning(fmt::format("approve {}", table), approval_advice(table));
    reply(Reply{Status::deny, 0, {}, {}});
}

}  // namespace proxyd::server
