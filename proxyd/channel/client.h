// proxyctl's side of the control channel. Blocks.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace proxyd::channel {

// what() is for people.
class AskError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// The reply to one request, seconds later at most. Throws AskError when nobody listens at `path`, when the
// daemon refuses or does not answer, and when it says that the command failed.
[[nodiscard]] nlohmann::json ask(const std::string& path, const nlohmann::json& request);

// What a reply says, from its line and without "ok". Throws AskError as above.
[[nodiscard]] nlohmann::json read_reply(std::string_view line);

}  // namespace proxyd::channel
