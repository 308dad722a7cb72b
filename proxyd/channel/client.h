// proxyctl's side of the control channel. Blocks.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace proxyd::channel {

enum class AskFault {
    other,
    nobody,  // no process listens there
    denied,  // this user may not ask
};

// what() is for people.
class AskError : public std::runtime_error {
  public:
    explicit AskError(const std::string& what, AskFault fault = AskFault::other)
        : std::runtime_error(what), fault_(fault) {}

    [[nodiscard]] AskFault fault() const { return fault_; }

  private:
    AskFault fault_;
};

// Returns the reply to one request. Waits at most 5 s for each piece that is sent or received. Throws
// AskError when no process listens at `path`, when the daemon refuses or does not answer, and when the
// command failed.
[[nodiscard]] nlohmann::json ask(const std::string& path, const nlohmann::json& request);

// Parses the line of a reply and returns its members without "ok". Throws AskError as above.
[[nodiscard]] nlohmann::json read_reply(std::string_view line);

}  // namespace proxyd::channel
