// The bits of the flag words in proxymap requests and replies.
//
// Values are those of Postfix's dictionary flags; they have been stable since Postfix 2.0 (new ones are
// added).
#pragma once

#include <cstdint>

namespace proxyd::protocol {

using Flags = std::uint32_t;

namespace flag {
inline constexpr Flags dup_warn = 1U << 0;
inline constexpr Flags dup_ignore = 1U << 1;
inline constexpr Flags try0null = 1U << 2;
inline constexpr Flags try1null = 1U << 3;
inline constexpr Flags fixed = 1U << 4;    // a table of fixed strings: the client tries partial keys
inline constexpr Flags pattern = 1U << 5;  // a table of patterns: the client asks full keys only
inline constexpr Flags lock = 1U << 6;
inline constexpr Flags dup_replace = 1U << 7;
inline constexpr Flags sync_update = 1U << 8;
inline constexpr Flags no_regsub = 1U << 11;
inline constexpr Flags no_proxy = 1U << 12;
inline constexpr Flags no_unauth = 1U << 13;
inline constexpr Flags fold_fix = 1U << 14;  // fold the key when the table is one of fixed strings
inline constexpr Flags fold_mul = 1U << 15;  // fold the key when the table is one of patterns
inline constexpr Flags open_lock = 1U << 16;
inline constexpr Flags bulk_update = 1U << 17;
inline constexpr Flags multi_writer = 1U << 18;
inline constexpr Flags utf8_request = 1U << 19;  // the caller wants UTF-8 checking and folding
inline constexpr Flags utf8_active = 1U << 20;   // the side that answered checks and folds
inline constexpr Flags src_rhs_is_file = 1U << 21;
inline constexpr Flags surrogate = 1U << 22;  // stands in for a table that could not be opened

// The bits that only a table's implementation sets, those that a caller may set in each request, and (all
// others) those that identify an open table in Postfix before 3.11.
inline constexpr Flags implementation = fixed | pattern | multi_writer;
inline constexpr Flags requested = fold_fix | fold_mul | lock | dup_replace | dup_warn | dup_ignore |
                                   sync_update | no_regsub | no_proxy | no_unauth | utf8_request;
}  // namespace flag

}  // namespace proxyd::protocol
