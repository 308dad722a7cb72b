// The words of a command line as CLI11 is to see them, which takes some for what they are not: "[a,b]" for
// two, and "++", or "--" behind a key, for the end of the command.
#pragma once

#include <string>
#include <vector>

namespace proxyd::control {

// Those behind argv[0], the last first, as CLI::App::parse() has them. Words that CLI11 is to take as they
// are begin with a mark.
[[nodiscard]] std::vector<std::string> marked_words(int argc, const char* const* argv);

// As it was given.
[[nodiscard]] std::string unmarked(std::string word);

// A text about words.
[[nodiscard]] std::string without_marks(std::string text);

}  // namespace proxyd::control
