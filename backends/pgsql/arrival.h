// How much of an answer has arrived on a connection's socket. libpq reads for as long as something comes, and
// tells nothing of an answer before it is whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace proxyd::pgsql {

// Follows one answer from the system's side. The count is about what was read since construction: never more
// than that, and on a UNIX socket less by what came while the library read.
class Arrival {
  public:
    explicit Arrival(int fd);

    // Around each call of the library that may read. The library closes its socket where it gives up: then
    // the second is not to be called.
    void before_read(int fd);
    void after_read(int fd);

    [[nodiscard]] std::size_t bytes() const { return bytes_; }

  private:
    std::optional<std::uint64_t> begun_at_;  // so many bytes had been read of the connection; TCP alone
    std::size_t waiting_ = 0;                // before the library reads
    std::size_t bytes_ = 0;
};

}  // namespace proxyd::pgsql
