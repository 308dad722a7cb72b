// The answer to one request: authorisation, the flag words, and the tables.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "backends/relay/relay.h"
#include "backends/table/table_set.h"
#include "protocol/message.h"
#include "proxyd/postfix/approved_tables.h"
#include "proxyd/server/answer.h"

namespace proxyd::server {

struct ServiceSettings {
    postfix::Access access = postfix::Access::read;
    bool smtputf8 = true;
    // The log's advice to an administrator when a table is not approved.
    std::string approval_hint = "main.cf:proxy_read_maps";
};

class Service {
  public:
    // The tables and the relay outlive the service.
    Service(table::TableSet& tables, relay::Relay& relay, postfix::ApprovedTables approved,
            ServiceSettings settings);

    // Answers exactly once; perhaps before serve() returns. The request's views need not live longer than the
    // call. `table` is the one of the client's last request, or null; it becomes that of this request, or
    // null when clients may not ask it.
    void serve(const protocol::Request& request, std::shared_ptr<const ServedTable>& table,
               std::shared_ptr<Requester> requester);

    // After a reload.
    void change(postfix::ApprovedTables approved, ServiceSettings settings);

  private:
    [[nodiscard]] std::shared_ptr<const ServedTable> find(std::string_view table);
    void open(const protocol::Request& request, const ServedTable& table, Requester& requester);
    void lookup(const protocol::Request& request, const ServedTable& table,
                std::shared_ptr<Requester> requester);
    void deny(std::string_view table, Requester& requester) const;
    [[nodiscard]] std::string approval_advice(std::string_view table) const;

    table::TableSet& tables_;
    relay::Relay& relay_;
    postfix::ApprovedTables approved_;
    ServiceSettings settings_;
    // The approved tables that clients have asked.
    std::map<std::string, std::shared_ptr<ServedTable>, std::less<>> served_;
};

// The treatment of the key that the request's flags ask for, and whether this side does the UTF-8 work.
[[nodiscard]] table::KeyRules key_rules(const protocol::Request& request, bool smtputf8);

}  // namespace proxyd::server
