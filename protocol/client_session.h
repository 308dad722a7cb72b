// The client side of the protocol without a socket: makes requests, and decodes the bytes of replies.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "protocol/attributes.h"
#include "protocol/message.h"
#include "protocol/request_decoder.h"

namespace proxyd::protocol {

enum class ReplyDecoded {
    incomplete,  // more bytes are needed
    reply,       // `reply` is valid
    malformed,   // not a reply to this request: close the connection
};

struct ReplyResult {
    ReplyDecoded outcome = ReplyDecoded::incomplete;
    Reply reply;               // views point into the buffer
    std::size_t consumed = 0;  // bytes of the buffer that the message took
    std::string problem;       // for the log, when malformed
};

// The reply to a request of this command and layout, from the front of `buffer`.
[[nodiscard]] ReplyResult decode_reply(std::string_view buffer, Command command, Layout layout,
                                       Limits limits = {});

// The same for a reply that may arrive in pieces. Until the reply is complete, each call passes the bytes of
// the previous call, possibly followed by more; only the new bytes are scanned.
class ReplyDecoder {
  public:
    explicit ReplyDecoder(Limits limits = {}) : limits_(limits) {}

    [[nodiscard]] ReplyResult decode(std::string_view buffer, Command command, Layout layout);

  private:
    Limits limits_;
    MessageScanner scanner_;
};

// Whether `buffer` begins with the greeting, could still become it, or holds something else.
enum class GreetingDecoded { incomplete, complete, other };
[[nodiscard]] GreetingDecoded decode_greeting(std::string_view buffer);

// The flag words that a Postfix client of this generation keeps for one open table (the flag algebra of the
// two layouts).
class TableFlags {
  public:
    // `caller` is what the program asks for (postmap -q: dup_warn | lock | fold_fix | utf8_request);
    // `smtputf8` is the client's smtputf8_enable.
    TableFlags(Layout layout, Flags caller, bool smtputf8);

    [[nodiscard]] Request open(std::string_view table) const;
    void opened(Flags reply_flags);
    [[nodiscard]] Request lookup(std::string_view table, std::string_view key) const;
    void replied(Flags reply_flags);

    // Whether the client itself checks and folds UTF-8: with smtputf8 on, always in the older layout, and in
    // the newer one when the server's answer to open left it to the client.
    [[nodiscard]] bool client_folds() const { return client_folds_; }

  private:
    Layout layout_;
    Flags caller_;
    Flags table_;
    bool wants_utf8_;
    bool client_folds_;
};

}  // namespace proxyd::protocol
