// The path of the control channel between proxyctl and a running daemon.
#pragma once

#include <string>

namespace proxyd::channel {

// The path is beside the socket that the daemon serves. Under Postfix only root and the mail owner can enter
// that directory.
[[nodiscard]] inline std::string path_beside(const std::string& service_socket) {
    return service_socket + ".control";
}

}  // namespace proxyd::channel
