// The words of a command line, prepared for CLI11. It misreads some: "[a,b]" as two words, and "++", or "--"
// after a key, as the end of the command.
#pragma once

#include <string>
#include <vector>

namespace proxyd::control {

// The words after argv[0] in reverse order, as CLI::App::parse() expects them. A mark begins each word that
// CLI11 must take literally.
[[nodiscard]] std::vector<std::string> marked_words(int argc, const char* const* argv);

// The word as it was given.
[[nodiscard]] std::string unmarked(std::string word);

// A text that contains words, without their marks.
[[nodiscard]] std::string without_marks(std::string text);

}  // namespace proxyd::control
