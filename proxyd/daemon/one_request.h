// A daemon without clients (proxyd -S): answers one request and ends.
#pragma once

#include "backends/event/event_loop.h"
#include "protocol/request_decoder.h"
#include "proxyd/server/service.h"

namespace proxyd {

// Reads one request from standard input and writes its reply to standard output. A malformed request gets the
// daemon's usual reply. Runs the loop until then. Returns the exit status.
[[nodiscard]] int answer_one_request(EventLoop& loop, server::Service& service,
                                     const protocol::Limits& limits);

}  // namespace proxyd
