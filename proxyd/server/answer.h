// The answer to one request, and what is known of it when it has ended.
#pragma once

#include <optional>
#include <string>

#include "backends/event/clock.h"
#include "backends/pool/failure.h"
#include "backends/table/table.h"
#include "protocol/message.h"

namespace proxyd::server {

// A table that clients may ask, found once by its name.
struct ServedTable {
    std::string name;               // type:name, without "proxy:"
    table::Table* table = nullptr;  // owned by the TableSet; null: the stock server is asked
    bool outdated = false;          // after a reload: to be looked for again
};

struct Answer {
    protocol::Reply reply;
    table::Source source = table::Source::table;  // of a lookup's result
    std::optional<pool::FailureClass> failure{};  // why the database gave no answer
};

// Who asks. It gets exactly one answer to each request, whose views are readable only during the call.
class Requester {
  public:
    virtual ~Requester() = default;
    virtual void answered(const Answer& answer) = 0;
};

// A request that has ended.
struct AnsweredRequest {
    const ServedTable* table = nullptr;  // null: no table that clients may ask
    protocol::Command command = protocol::Command::lookup;
    protocol::Status status = protocol::Status::retry;
    table::Source source = table::Source::table;
    std::optional<pool::FailureClass> failure{};
    Duration time{};  // from the whole request to its answer
};

}  // namespace proxyd::server
