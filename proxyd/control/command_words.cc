#include "proxyd/control/command_words.h"

#include <algorithm>

namespace proxyd::control {
namespace {

constexpr char mark = '\1';

bool is_mistaken(const std::string& word) {
    return word == "++" || (word.starts_with('[') && word.ends_with(']')) || word.starts_with(mark);
}

}  // namespace

std::vector<std::string> marked_words(int argc, const char* const* argv) {
    std::vector<std::string> words;
    bool no_more_options = false;
    for (int i = 1; i < argc; ++i) {
        std::string word = argv[i];
        if (!no_more_options && word == "--") {
            no_more_options = true;
            continue;
        }
        if (no_more_options || is_mistaken(word)) word.insert(word.begin(), mark);
        words.push_back(std::move(word));
    }
    std::reverse(words.begin(), words.end());
    return words;
}

std::string unmarked(std::string word) {
    if (word.starts_with(mark)) word.erase(0, 1);
    return word;
}

std::string without_marks(std::string text) {
    std::erase(text, mark);
    return text;
}

}  // namespace proxyd::control
