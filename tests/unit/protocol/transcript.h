// A recorded session between a Postfix client and a server (tests/transcripts/README.md has the format).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/message.h"

namespace proxyd::protocol {

enum class Sender : char { server = 'S', postfix_client = 'C', other_client = 'X' };

struct RecordedMessage {
    Sender sender;
    std::string bytes;
    int line;
};

struct Transcript {
    std::string name;
    Layout layout = Layout::flags;
    std::optional<Flags> caller;  // set if the session shows the flags of one table from open to lookup
    bool smtputf8 = false;
    std::vector<RecordedMessage> messages;

    // All bytes that the clients sent.
    [[nodiscard]] std::string client_bytes() const;
};

// The bytes that a line of a transcript represents.
[[nodiscard]] std::string wire(std::string_view text);

[[nodiscard]] std::vector<Transcript> all_transcripts();

}  // namespace proxyd::protocol
