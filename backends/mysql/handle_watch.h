// Waits, on the loop, for what a handle's call waits for.
#pragma once

#include <functional>
#include <memory>

#include "backends/event/loop.h"
#include "backends/mysql/handle.h"

namespace proxyd::mysql {

class HandleWatch {
  public:
    // `woken` gets what has come, as the library's _cont functions want it (MYSQL_WAIT_READ ...).
    HandleWatch(Loop& loop, std::function<void(int)> woken);

    // Waits for what a call returned.
    void wait_for(Handle& handle, int waits);

    // No call is under way: waits for the server to say something.
    void wait_for_server(Handle& handle) { wait_for(handle, MYSQL_WAIT_READ); }

    // To be called after each call of the library: it closes its socket where it gives up, and the number may
    // stand for another socket soon, of a client or of another connection.
    void drop_if_closed(Handle& handle);

    void stop();

  private:
    Loop& loop_;
    std::function<void(int)> woken_;
    std::unique_ptr<FdWatch> watch_;
    int fd_ = -1;
    std::unique_ptr<Timer> timer_;
};

}  // namespace proxyd::mysql
