// Where the control channel between proxyctl and a running daemon is.
#pragma once

#include <string>

namespace proxyd::channel {

// Beside the socket that the daemon serves: under Postfix only root and the mail owner can go there.
[[nodiscard]] inline std::string path_beside(const std::string& service_socket) {
    return service_socket + ".control";
}

}  // namespace proxyd::channel
