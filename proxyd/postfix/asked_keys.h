// The keys that Postfix asks of the tables in a parameter of main.cf: data from its manual pages.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace proxyd::postfix {

enum class KeyKind : std::uint8_t {
    address,               // user+extension@example.com
    plain_address,         // user@example.com: without the extension
    local_part,            // user+extension, of an address that is local
    plain_local_part,      // user
    at_domain,             // @example.com
    user_at,               // user@
    domain,                // mail.example.com
    parent_domain,         // example.com, for mail.example.com
    dotted_parent_domain,  // .example.com
    everything,            // *
    null_sender,           // <>
    host_name,             // client.example.com
    ip_address,            // 192.0.2.1
    network,               // 192.0.2
    next_hop,              // [relay.example.com]:587, example.com
    login,                 // a name of SASL, with or without '@'
    unix_user,             // the name of a system user
    fingerprint,           // of a certificate or a public key
    word,                  // of a list: a mechanism, an action
    text,                  // any line of text
};

// The meaning of a table that answers every key.
enum class OfEveryKey : std::uint8_t {
    usual,      // one value for all
    odd,        // probably a mistake
    dangerous,  // it opens the server to everybody
};

struct AskedKeys {
    std::string_view name;       // of the parameter, or of the restriction before the table
    std::vector<KeyKind> kinds;  // in the order in which Postfix asks; a result ends the search
    OfEveryKey of_every_key = OfEveryKey::odd;
    std::string_view source;  // manual page
};

[[nodiscard]] const std::vector<AskedKeys>& asked_keys();

// The row of a parameter ("virtual_mailbox_domains") or of a restriction ("check_sender_access"); nullptr:
// not known. Parameters of lmtp(8) have the rows of smtp(8).
[[nodiscard]] const AskedKeys* find_asked_keys(std::string_view name);

// A key of that kind, with enough labels for %9.
[[nodiscard]] std::string_view sample_key(KeyKind kind);

// The name of the kind for people: "domains".
[[nodiscard]] std::string_view name_of(KeyKind kind);

}  // namespace proxyd::postfix
