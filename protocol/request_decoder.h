// Bytes from a client -> typed requests, as the server side reads them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "protocol/attributes.h"
#include "protocol/message.h"

namespace proxyd::protocol {

struct Limits {
    std::size_t message_bytes = std::size_t{1} << 20;  // a longer request is too_long
};

enum class Decoded {
    incomplete,       // more bytes are needed; nothing was consumed
    request,          // `request` is valid
    unknown_request,  // the request name is none of the five: append_unknown_request_reply()
    malformed,        // answer Status::bad in the form given by request.command and request.layout
    no_request,       // the first attribute is not "request": log it, no reply
    too_long,         // over the limit: answer Status::bad and close
};

struct DecodeResult {
    Decoded outcome = Decoded::incomplete;
    Request request;  // complete for `request`; for `malformed`, `too_long` only command and layout, if known
    std::size_t consumed = 0;  // bytes of the buffer that this message took; 0 when incomplete
    std::string problem;  // one line for the log: why it is malformed, or what was ignored in a good request
};

// Decodes the messages of one connection, from any split of the bytes.
//
// Between calls the caller keeps the bytes that were not consumed at the front of the buffer and appends new
// bytes. The decoder remembers how far it has scanned, so that a long message in small pieces is scanned
// once. Attributes must come in the order of the layout; one more attribute after the last is ignored, as by
// the stock server. The views in the result point into `buffer`.
class RequestDecoder {
  public:
    explicit RequestDecoder(Limits limits = {}) : limits_(limits) {}

    // The first message in `buffer`.
    [[nodiscard]] DecodeResult decode(std::string_view buffer);

  private:
    Limits limits_;
    MessageScanner scanner_;
};

}  // namespace proxyd::protocol
