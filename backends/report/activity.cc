#include "backends/report/activity.h"

#include <algorithm>

namespace proxyd {
namespace {

thread_local ActivityBoard* board = nullptr;

}  // namespace

void ActivityBoard::show(std::string_view what, std::string_view object) noexcept {
    clear();
    std::size_t length = 0;
    const auto add = [&](std::string_view part) {
        const auto count = std::min(part.size(), text_.size() - length);
        std::copy_n(part.begin(), count, text_.begin() + static_cast<std::ptrdiff_t>(length));
        length += count;
    };
    add(what);
    add(" ");
    add(object);
    length_.store(length, std::memory_order_release);
}

std::string ActivityBoard::text() const {
    const auto length = std::min(length_.load(std::memory_order_acquire), text_.size());
    return {text_.data(), length};
}

void set_activity_board(ActivityBoard* new_board) {
    board = new_board;
}

Activity::Activity(std::string_view what, std::string_view object) {
    if (board != nullptr) board->show(what, object);
}

Activity::~Activity() {
    if (board != nullptr) board->clear();
}

}  // namespace proxyd
