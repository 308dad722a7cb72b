// The commands of the control channel, by name.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>
#include <sys/types.h>

namespace proxyd::channel {

struct Caller {
    pid_t process = 0;
    uid_t user = 0;
};

// Returns the members of the reply. A std::exception becomes the reply's error.
using Command = std::function<nlohmann::json(const nlohmann::json& request, const Caller& caller)>;

using ReplyCallback = std::function<void(nlohmann::json reply)>;

// A command that waits for others. Calls back exactly once with the whole reply, "ok" included, possibly
// before it returns. A std::exception out of the call itself becomes the reply's error instead.
using SlowCommand = std::function<void(const nlohmann::json& request, const Caller& caller, ReplyCallback)>;

// {"ok": false, "error": why}
[[nodiscard]] nlohmann::json failure(std::string_view why);

// One line, without its end.
[[nodiscard]] std::string line_of(const nlohmann::json& message);

class Commands {
  public:
    void add(std::string name, Command command);
    void add_slow(std::string name, SlowCommand command);

    // Answers a request, which is a JSON object on one line. Calls back exactly once.
    void answer(const std::string& line, const Caller& caller, const ReplyCallback& reply) const;
    void answer(const nlohmann::json& request, const Caller& caller, const ReplyCallback& reply) const;

  private:
    std::map<std::string, SlowCommand> commands_;
};

}  // namespace proxyd::channel
