// proxyctl's side of the control channel. Blocks.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace proxyd::channel {

enum class AskFault {
    other,
    nobody,  // listens there
    denied,  // to this user
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

// The reply to one request, seconds later at most. Throws AskError when nobody listens at `path`, when the
// daemon refuses or does not answer, and when it says that the command failed.
[[nodiscard]] nlohmann::json ask(const std::string& path, const nlohmann::json& request);

// What a reply says, from its line and without "ok". Throws AskError as above.
[[nodiscard]] nlohmann::json read_reply(std::string_view line);

}  // namespace proxyd::channel
