// Measures how much of an answer has arrived on a connection's socket. libpq reads for as long as data comes,
// and reports nothing of an answer before it is complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace proxyd::pgsql {

// Follows one answer by the system's counters. It counts the bytes read since construction: never too many,
// and on a UNIX socket too few by the data that came while the library read.
class Arrival {
  public:
    explicit Arrival(int fd);

    // Called around each call of the library that may read. The library closes its socket when it gives up:
    // after_read() must not be called then.
    void before_read(int fd);
    void after_read(int fd);

    [[nodiscard]] std::size_t bytes() const { return bytes_; }

  private:
    std::optional<std::uint64_t> begun_at_;  // bytes read from the connection before the answer; TCP only
    std::size_t waiting_ = 0;                // bytes in the socket before the library reads
    std::size_t bytes_ = 0;
};

}  // namespace proxyd::pgsql
