// One MYSQL structure and the library call that is under way on it. Each call is started, and continued when
// an awaited event has come; in between the library keeps the call on a stack of its own.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <mysql.h>

#include "backends/mysql/coroutine.h"

namespace proxyd::mysql {

class Handle {
  public:
    // Throws std::bad_alloc.
    Handle();
    // Never waits: it shuts the socket down first, and brings a call under way to its end.
    ~Handle();
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    [[nodiscard]] MYSQL* get() { return &mysql_; }
    [[nodiscard]] int socket() { return mysql_get_socket(&mysql_); }
    [[nodiscard]] unsigned error_number() { return mysql_errno(&mysql_); }
    [[nodiscard]] std::string error_text() { return mysql_error(&mysql_); }
    // Whether a call is under way.
    [[nodiscard]] bool is_busy() const { return bool(next_); }
    // Whether the library has received more than it has read. For use between two calls.
    [[nodiscard]] bool has_surplus() const;
    // For use while the server has nothing to say: its unexpected data or disconnection, for the log. No
    // value: none.
    [[nodiscard]] std::optional<std::string_view> out_of_step();

    // Whether the last packet of the server is "done" (OK), and not the beginning of a result.
    [[nodiscard]] bool said_ok() const { return *mysql_.net.read_pos == 0; }

    // A query of so many bytes is about to be sent. The library refuses packets of the answer that hold more
    // than `answer_limit` bytes.
    void begin_exchange(std::size_t query_bytes, std::size_t answer_limit);
    // The packets of an exchange are numbered, but the library does not check the numbers. Whether `least` to
    // `most` packets have come since the last call, so that none is missing or too many.
    [[nodiscard]] bool packets_came(std::size_t least, std::size_t most);
    // The same for the packets of one row with so many bytes in its values.
    [[nodiscard]] bool row_came(std::size_t bytes, std::size_t columns);
    // Whether the last call failed because of that limit. The connection is then unusable.
    [[nodiscard]] bool packet_was_too_large() const;
    // The size of the library's packet buffer, in bytes.
    [[nodiscard]] unsigned long packet_memory() const { return mysql_.net.max_packet; }

    // Begins a call: the library's _start and _cont functions with their parameters bound. Both return the
    // awaited events (MYSQL_WAIT_READ ...), 0 when done.
    template <typename First, typename Next>
    [[nodiscard]] int start(const First& first, const Next& next) {
        forget_error();
        const int waits = first();
        if (waits != 0) next_ = next;
        return waits;
    }
    // The same for the connecting call, which may include the TLS handshake. `each_time` is called before the
    // call begins, after option files were read, and whenever the call continues.
    [[nodiscard]] int start_connecting(std::function<int()> first, std::function<int(int)> next,
                                       std::function<void()> each_time);
    // Continues the call when some of the awaited events have come.
    [[nodiscard]] int go_on(int ready);

  private:
    void forget_error();
    void read_option_files();
    static int wait_hook(my_socket fd, my_bool for_reading, int timeout_ms);
    [[nodiscard]] int step(std::function<int()> call);
    [[nodiscard]] int step_result();
    void never_block();

    MYSQL mysql_;
    std::size_t packet_number_ = 0;         // of the last packet that was checked
    std::unique_ptr<Coroutine> coroutine_;  // while it connects
    int step_returned_ = 0;
    int step_waits_ = 0;               // events that the side stack waits for
    int ready_ = 0;                    // those of them that have come
    std::function<void()> each_time_;  // of the connecting call
    std::function<int(int)> next_;     // of the call under way; empty: none
};

}  // namespace proxyd::mysql
