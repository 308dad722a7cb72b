// Waits, on the loop, for the events that a handle's call needs.
#pragma once

#include <functional>
#include <memory>

#include "backends/event/loop.h"
#include "backends/mysql/handle.h"

namespace proxyd::mysql {

class HandleWatch {
  public:
    // `woken` gets the events that have come, in the form of the library's _cont functions (MYSQL_WAIT_READ
    // ...).
    HandleWatch(Loop& loop, std::function<void(int)> woken);

    // Waits for the events that a call returned.
    void wait_for(Handle& handle, int waits);

    // No call is under way: waits for data from the server.
    void wait_for_server(Handle& handle) { wait_for(handle, MYSQL_WAIT_READ); }

    // Call it after each call of the library. The library closes its socket when it gives up; the number may
    // soon belong to another socket, of a client or of another connection.
    void drop_if_closed(Handle& handle);

    void stop();

  private:
    Loop& loop_;
    std::function<void(int)> woken_;
    std::unique_ptr<FdWatch> watch_;
    int fd_ = -1;
    std::unique_ptr<Timer> timer_;
    bool timed_ = false;  // the timer may be running
};

}  // namespace proxyd::mysql
