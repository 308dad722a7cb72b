#include "backends/pool/row_buffer.h"

#include <algorithm>

#include "backends/pool/large_memory.h"

namespace proxyd::pool {
namespace {

constexpr std::size_t null_length = static_cast<std::size_t>(-1);

// Larger buffers are released before the next answer.
constexpr std::size_t kept_bytes = 65536;
constexpr std::size_t kept_values = 4096;

}  // namespace

void RowBuffer::begin(std::size_t columns, std::size_t limit) {
    columns_ = columns;
    limit_ = limit;
    size_ = 0;
    if (bytes_.capacity() > kept_bytes) bytes_ = {};
    if (values_.capacity() > kept_values) values_ = {};
    bytes_.clear();
    values_.clear();
}

bool RowBuffer::add(std::optional<std::string_view> value) {
    if (!count(value ? value->size() : 0)) return false;
    if (value) make_room(value->size());
    values_.push_back({bytes_.size(), value ? value->size() : null_length});
    if (value) bytes_ += *value;
    return true;
}

char* RowBuffer::add_room(std::size_t bytes) {
    if (!count(bytes)) return nullptr;
    make_room(bytes);
    values_.push_back({bytes_.size(), bytes});
    bytes_.resize(bytes_.size() + bytes);
    return bytes_.data() + values_.back().begin;
}

std::optional<std::string_view> RowBuffer::cell(std::size_t row, std::size_t column) const {
    const auto& value = values_[row * columns_ + column];
    if (value.length == null_length) return std::nullopt;
    return std::string_view(bytes_).substr(value.begin, value.length);
}

void RowBuffer::make_room(std::size_t bytes) {
    const auto needed = bytes_.size() + bytes;
    if (needed <= bytes_.capacity()) return;
    const auto room = std::max(needed, 2 * bytes_.capacity());
    if (room > large_answer) expect_large_answer(room);
    bytes_.reserve(room);
}

bool RowBuffer::count(std::size_t bytes) {
    const std::size_t begun = values_.size() % columns_ == 0 ? 1 : 0;
    const auto more = answer_size(begun, 1, 0);
    const auto left = size_ < limit_ ? limit_ - size_ : 0;
    if (more > left || bytes > left - more) return false;
    size_ += more + bytes;
    return true;
}

}  // namespace proxyd::pool
