// What to say of a file that a user may not read.
#pragma once

#include <string>
#include <string_view>

namespace proxyd {

// "Try chown root:postfix /x; chmod 640 /x, and look at the directories above"
[[nodiscard]] std::string advice_to_let_read(std::string_view user, const std::string& path);

// Of the user that this process runs as; a number when the user has no name here.
[[nodiscard]] std::string effective_user();

}  // namespace proxyd
