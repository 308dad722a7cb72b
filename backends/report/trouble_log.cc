#include "backends/report/trouble_log.h"

#include <algorithm>
#include <cctype>
#include <functional>
#include <set>

#include <fmt/format.h>

#include "backends/report/log.h"

namespace proxyd {
namespace {

class PlainTroubleLog final : public TroubleLog {
  public:
    void failed(std::string_view subject, std::string_view kind, Trouble trouble,
                std::string_view text) override {
        if (trouble == Trouble::lasting) failing_.emplace(subject);
        log().warning(fmt::format("{} {}", subject, kind), text);
    }
    void works_again(std::string_view subject, std::string_view text) override {
        const auto found = failing_.find(subject);
        if (found == failing_.end()) return;
        failing_.erase(found);
        log().info(text);
    }

  private:
    std::set<std::string, std::less<>> failing_;
};

PlainTroubleLog plain;
TroubleLog* current_trouble_log = &plain;

bool belongs_to_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

bool is_digit(char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

}  // namespace

TroubleLog& trouble_log() {
    return *current_trouble_log;
}

void set_trouble_log(TroubleLog& log) {
    current_trouble_log = &log;
}

std::string without_numbers(std::string_view message) {
    std::string kept;
    while (!message.empty()) {
        const auto end = std::find_if_not(message.begin(), message.end(), belongs_to_word);
        const auto word = message.substr(0, static_cast<std::size_t>(end - message.begin()));
        kept += std::any_of(word.begin(), word.end(), is_digit) ? "#" : word;
        message.remove_prefix(word.size());
        if (message.empty()) break;
        kept += message.front();
        message.remove_prefix(1);
    }
    return kept;
}

}  // namespace proxyd
