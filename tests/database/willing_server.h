// What a server of MySQL's protocol says that lets everybody in, sets and does what we wish, and selects
// constants.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "tests/database/scripted_server.h"

namespace proxyd {

// The answer to one query, where it is not the usual one; "": none.
using OtherAnswer = std::function<std::optional<std::string>(const std::string& query)>;

// For a LoopServer whose greeting is that of ScriptedServer, with the plugin mysql_native_password.
inline std::string willing_answer(const std::string& heard, const OtherAnswer& other) {
    std::string said;
    for (std::size_t at = 0; at + 4 < heard.size();) {
        const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(heard[at + i]); };
        const std::size_t size = byte(0) | byte(1) << 8 | byte(2) << 16;
        const auto number = byte(3);
        const auto query = heard.substr(at + 5, size - 1);
        at += 4 + size;
        if (number == 1) {
            said += ScriptedServer::ok(2);  // the client's part of the handshake
        } else if (size == 1) {
            said += ScriptedServer::ok(1);  // a ping
        } else if (const auto answer = other(query)) {
            said += *answer;
        } else if (query.starts_with("SET ") || query == "DO 0") {
            said += ScriptedServer::ok(1);
        } else if (query.starts_with("SELECT ") && query.find(' ', 7) == std::string::npos) {
            said += ScriptedServer::rows(query.substr(7));
        }
    }
    return said;
}

}  // namespace proxyd
