// The requests that wait for a connection, fair between tables: one slow table cannot take all connections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "backends/relay/job.h"

namespace proxyd::relay {

class JobQueue {
  public:
    void push(const JobPtr& job);
    // A request that was taken before and is asked again: it comes before younger ones of its table.
    void push_again(const JobPtr& job);

    // The oldest request of a table that has fewer requests taken than there are free connections; null if
    // there is none.
    [[nodiscard]] JobPtr take(std::size_t free);
    // Whether take() would find one.
    [[nodiscard]] bool has_turn(std::size_t free) const;

    // A taken request no longer has a connection.
    void released(const Job& job);

    void remove(const JobPtr& job);
    // Empties the queue; the oldest request comes first.
    [[nodiscard]] std::vector<JobPtr> remove_all();

    [[nodiscard]] std::size_t size() const { return size_; }

  private:
    struct TableQueue {
        std::deque<JobPtr> waiting;
        std::size_t taken = 0;
    };
    using TableQueues = std::map<std::string, TableQueue, std::less<>>;  // by table

    [[nodiscard]] TableQueues::const_iterator next(std::size_t free) const;

    TableQueues queues_;
    std::size_t size_ = 0;
    std::uint64_t last_order_ = 0;
};

}  // namespace proxyd::relay
