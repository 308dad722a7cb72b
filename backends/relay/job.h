// One request on its way to the stock server.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "backends/event/callback.h"
#include "backends/event/loop.h"
#include "protocol/message.h"

namespace proxyd::relay {

// The reply's views are readable only while the callback runs.
using ReplyCallback = Callback<void(const protocol::Reply&)>;

struct Job {
    Job(const protocol::Request& asked, ReplyCallback done)
        : table(asked.table), key(asked.key), value(asked.value), request(asked), callback(std::move(done)) {
        request.table = table;
        request.key = key;
        request.value = value;
    }
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;

    // Whether the request may be sent twice without harm.
    [[nodiscard]] bool repeatable() const {
        return request.command == protocol::Command::open || request.command == protocol::Command::lookup;
    }
    [[nodiscard]] bool answered() const { return !callback; }

    bool of_domain_list = false;  // otherwise it is a client's
    const std::string table;
    const std::string key;
    const std::string value;
    protocol::Request request;     // as the client sent it; its views are the strings above
    ReplyCallback callback;        // empty once the client has its reply
    std::unique_ptr<Timer> timer;  // runs until the client has its reply
    int attempts = 0;              // number of failed attempts
    std::uint64_t order = 0;       // among the waiting requests
    protocol::Request sent;        // the one under way: may differ from the client's; in the server's layout
};

using JobPtr = std::shared_ptr<Job>;

}  // namespace proxyd::relay
