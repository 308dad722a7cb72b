// The daemon's side of the control channel: requests of proxyctl, one per connection.
//
// A request is a JSON object on one line, such as {"command": "status"}. The reply is another object: "ok":
// true and the members of the command, or "ok": false and "error". The channel is separate from the sockets
// of Postfix's programs, so it cannot disturb them.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "backends/event/loop.h"
#include "proxyd/channel/commands.h"
#include "proxyd/master/listen_socket.h"

namespace proxyd::channel {

class Server {
  public:
    // Listens at `path` from now until destruction. Replaces a socket of this user or root that is there.
    // Answers root and this process's own user (the mail owner, under Postfix). Throws std::runtime_error.
    // The loop outlives the server.
    Server(Loop& loop, const std::string& path);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    [[nodiscard]] Commands& commands() { return commands_; }

    // Called in a forked child, before destruction there: the socket's file stays the parent's.
    void leave_file_to_parent() { socket_.leave_file_to_parent(); }

  private:
    class Session;

    void accept_one();
    void ended(int fd);
    void answer(const std::string& line, const Caller& caller, const ReplyCallback& reply) const;

    Loop& loop_;
    master::ListenSocket socket_;
    std::unique_ptr<FdWatch> watch_;
    std::unique_ptr<Timer> pause_;
    Commands commands_;
    std::map<int, std::shared_ptr<Session>> sessions_;
};

}  // namespace proxyd::channel
