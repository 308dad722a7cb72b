// Requests and replies between a client and a stock server of different protocol generations.
//
// Where both have the same layout, nothing is changed: the flag words go through as they are.
#pragma once

#include "protocol/message.h"

namespace proxyd::relay {

// Whether the server wants in `request` what it said in its reply to open, which a client of the older layout
// does not send back: the server of Postfix 3.11 ends itself when these bits are missing.
[[nodiscard]] bool needs_opened_flags(const protocol::Request& request, protocol::Layout server);

// `opened`: the flags of the server's reply to open, if it needs them. The views stay those of `request`.
[[nodiscard]] protocol::Request for_server(const protocol::Request& request, protocol::Layout server,
                                           protocol::Flags opened);

// The request to open the table of `request`, as its client would send it.
[[nodiscard]] protocol::Request open_of(const protocol::Request& request);

// The server's `reply` to `request`, as the client that sent `request` understands it.
[[nodiscard]] protocol::Reply for_client(const protocol::Request& request, protocol::Layout server,
                                         const protocol::Reply& reply);

}  // namespace proxyd::relay
