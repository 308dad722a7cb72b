// One MYSQL structure and the library call that is under way on it. Each call is started, and continued when
// what it waits for has come; between the two the library keeps a stack of its own.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <mysql.h>

#include "backends/mysql/coroutine.h"

namespace proxyd::mysql {

class Handle {
  public:
    // Throws std::bad_alloc.
    Handle();
    // Never waits: the socket is shut down first, and a call under way is brought to its end.
    ~Handle();
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    [[nodiscard]] MYSQL* get() { return &mysql_; }
    [[nodiscard]] int socket() { return mysql_get_socket(&mysql_); }
    [[nodiscard]] unsigned error_number() { return mysql_errno(&mysql_); }
    [[nodiscard]] std::string error_text() { return mysql_error(&mysql_); }
    // Whether a call is under way.
    [[nodiscard]] bool is_busy() const { return bool(next_); }
    // Whether the library has received more than it has read. Between two calls.
    [[nodiscard]] bool has_surplus() const;
    // While the server has nothing to say: what it has said or done nevertheless, for the log; "": nothing.
    [[nodiscard]] std::string_view out_of_step();

    // Whether the last thing that the server said is "done", rather than the beginning of a result.
    [[nodiscard]] bool said_ok() const { return *mysql_.net.read_pos == 0; }

    // A query of so many bytes is about to be sent; of its answer no packet is read that holds more than
    // `answer_limit`.
    void begin_exchange(std::size_t query_bytes, std::size_t answer_limit);
    // The packets of an exchange are numbered; the library reads past that. Whether so many have come since
    // this was asked last, `least` to `most`, so that none is missing or too many.
    [[nodiscard]] bool packets_came(std::size_t least, std::size_t most);
    // The same for those of one row with so many bytes in its values.
    [[nodiscard]] bool row_came(std::size_t bytes, std::size_t columns);
    // The last call failed, and it was that limit. The connection is gone.
    [[nodiscard]] bool packet_was_too_large() const;
    // How much the library keeps for packets.
    [[nodiscard]] unsigned long packet_memory() const { return mysql_.net.max_packet; }

    // Begins a call: the library's _start and _cont functions with their parameters bound. Both return what
    // is waited for (MYSQL_WAIT_READ ...), 0 when done.
    [[nodiscard]] int start(const std::function<int()>& first, std::function<int(int)> next);
    // The same for the call that connects, which may shake hands for TLS. `each_time` is called before it
    // begins, when option files have been read, and whenever it goes on.
    [[nodiscard]] int start_connecting(std::function<int()> first, std::function<int(int)> next,
                                       std::function<void()> each_time);
    // Goes on with it when some of what it waited for has come.
    [[nodiscard]] int go_on(int ready);

  private:
    void read_option_files();
    static int wait_hook(my_socket fd, my_bool for_reading, int timeout_ms);
    [[nodiscard]] int step(std::function<int()> call);
    [[nodiscard]] int step_result();
    void never_block();

    MYSQL mysql_;
    std::size_t packet_number_ = 0;         // of the last that was looked at
    std::unique_ptr<Coroutine> coroutine_;  // while it connects
    int step_returned_ = 0;
    int step_waits_ = 0;               // what the side stack was left for
    int ready_ = 0;                    // what has come of it
    std::function<void()> each_time_;  // of the connecting call
    std::function<int(int)> next_;     // of the call under way; empty: none
};

}  // namespace proxyd::mysql
