// Translates requests and replies between a client and a stock server of different protocol generations.
//
// If both have the same layout, nothing is changed: the flag words pass unchanged.
#pragma once

#include "protocol/message.h"

namespace proxyd::relay {

// Whether the server expects in `request` the flags of its own reply to open, which a client of the older
// layout does not send back: the server of Postfix 3.11 ends itself when these bits are missing.
[[nodiscard]] bool needs_opened_flags(const protocol::Request& request, protocol::Layout server);

// `opened`: the flags of the server's reply to open, if needed. The views are those of `request`.
[[nodiscard]] protocol::Request for_server(const protocol::Request& request, protocol::Layout server,
                                           protocol::Flags opened);

// The request to open the table of `request`, as the client would send it.
[[nodiscard]] protocol::Request open_of(const protocol::Request& request);

// The server's `reply` to `request`, as the client that sent `request` understands it.
[[nodiscard]] protocol::Reply for_client(const protocol::Request& request, protocol::Layout server,
                                         const protocol::Reply& reply);

}  // namespace proxyd::relay
