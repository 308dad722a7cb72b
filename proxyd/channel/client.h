// proxyctl's side of the control channel. Blocks.
#pragma once

#include <stdexcept>
#include <string>

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

}  // namespace proxyd::channel
