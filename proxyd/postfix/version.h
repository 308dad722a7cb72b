// The installed Postfix's version, as in mail_version.
#pragma once

#include <optional>
#include <string_view>

#include "protocol/message.h"

namespace proxyd::postfix {

struct Version {
    int major = 0;
    int minor = 0;
    int patch = 0;          // 0 for a snapshot
    bool snapshot = false;  // "3.12-20251010"

    // A snapshot of a minor version counts as its first release.
    [[nodiscard]] bool at_least(int wanted_major, int wanted_minor, int wanted_patch = 0) const;
};

// "3.7.11", "3.11.0-RC1", "3.12-20251010", "3.12-20251010-nonprod". No value for anything else.
[[nodiscard]] std::optional<Version> parse_version(std::string_view text);

// Clients since 3.6 wait for the server to speak first; older ones would take the greeting for a reply.
[[nodiscard]] bool needs_greeting(const Version& version);

// The layout of its clients' requests and of its stock server. Each understands only its own layout.
[[nodiscard]] protocol::Layout layout_of(const Version& version);

}  // namespace proxyd::postfix
