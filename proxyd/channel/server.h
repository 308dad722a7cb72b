// The daemon's side of the control channel: requests of proxyctl, one per connection.
//
// A request is a JSON object on one line, such as {"command": "status"}. The reply is another object: "ok":
// true and the members of the command, or "ok": false and "error". The channel is separate from the sockets
// of Postfix's programs, so it cannot disturb them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>
#include <sys/types.h>

#include "backends/event/loop.h"
#include "proxyd/master/listen_socket.h"

namespace proxyd::channel {

struct Caller {
    pid_t process = 0;
    uid_t user = 0;
};

// Returns the members of the reply. A std::exception becomes the reply's error.
using Command = std::function<nlohmann::json(const nlohmann::json& request, const Caller& caller)>;

class Server {
  public:
    // Listens at `path` from now until destruction. Replaces a socket of this user or root that is there.
    // Answers root and this process's own user (the mail owner, under Postfix). Throws std::runtime_error.
    // The loop outlives the server.
    Server(Loop& loop, const std::string& path);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    void add(std::string name, Command command);

  private:
    class Session;

    void accept_one();
    void ended(int fd);
    [[nodiscard]] nlohmann::json answer(const std::string& line, const Caller& caller) const;

    Loop& loop_;
    master::ListenSocket socket_;
    std::unique_ptr<FdWatch> watch_;
    std::unique_ptr<Timer> pause_;
    std::map<std::string, Command> commands_;
    std::map<int, std::shared_ptr<Session>> sessions_;
};

}  // namespace proxyd::channel
