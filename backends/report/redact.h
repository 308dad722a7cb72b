// Passwords out of text that people will see: logs, status, error messages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace proxyd {

// A connection URI with the password of its user part and of its query replaced by `***`. Where the URI is
// malformed (a raw `@`, `/` or `?` in the password) it hides too much rather than too little.
[[nodiscard]] std::string redact_uri(std::string_view uri);

// One item of a table's `hosts`: a URI as above. No table type understands user:password@host or
// password=..., but some try it: what stands in front of the '@' and behind the '=' is hidden.
[[nodiscard]] std::string redact_host(std::string_view host);

// The same of an item whose port is no port, and may be a password: it is hidden, too.
[[nodiscard]] std::string redact_host_and_port(std::string_view host);

// libpq connection text (`host=x password='a b'`, blanks around `=` allowed) with the values of all keywords
// that end in "password", "passwd" and the like replaced by `***`.
[[nodiscard]] std::string redact_conninfo(std::string_view text);

// Free text that may contain either form, for instance a library's error message.
[[nodiscard]] std::string redact(std::string_view text);

// The beginning of a text for redact(), of `most` bytes at most. Where it would end within a URI it ends
// behind the "://": of a password in half a URI nothing tells that it is one.
[[nodiscard]] std::string_view redactable_beginning(std::string_view text, std::size_t most);

}  // namespace proxyd
