// Removes passwords from text that people will see: logs, status, error messages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace proxyd {

// A connection URI with the password of its user part and of its query replaced by `***`. If the URI is
// malformed (a raw `@`, `/` or `?` in the password), too much is hidden rather than too little.
[[nodiscard]] std::string redact_uri(std::string_view uri);

// One item of a table's `hosts`: a URI as above. No table type understands user:password@host or
// password=..., but some people try it: the text before the '@' and after the '=' is hidden.
[[nodiscard]] std::string redact_host(std::string_view host);

// The same for an item whose port is invalid and may be a password: the port is hidden, too.
[[nodiscard]] std::string redact_host_and_port(std::string_view host);

// libpq connection text (`host=x password='a b'`, blanks around `=` allowed) with the values of all keywords
// that end in "password", "passwd" and the like replaced by `***`.
[[nodiscard]] std::string redact_conninfo(std::string_view text);

// Free text that may contain either form, for instance a library's error message.
[[nodiscard]] std::string redact(std::string_view text);

// The beginning of a text for redact(), of `most` bytes at most. If it would end within a URI, it ends after
// the "://": in half a URI a password cannot be recognized.
[[nodiscard]] std::string_view redactable_beginning(std::string_view text, std::size_t most);

}  // namespace proxyd
