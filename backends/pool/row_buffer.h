// The rows of one answer in one block of memory, for a driver whose library does not keep them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/pool/query.h"

namespace proxyd::pool {

// The driver fills it while rows arrive, row by row, with one value for every column. It may be used for one
// answer after the other, and keeps little memory in between.
class RowBuffer final : public Rows {
  public:
    // Clears the buffer. `limit` as in Query::answer_limit; `columns` is at least 1.
    void begin(std::size_t columns, std::size_t limit);

    // Adds the next value; none: NULL. False: this value makes the answer larger than the limit. The value is
    // not kept, and the driver reports too_large().
    [[nodiscard]] bool add(std::optional<std::string_view> value);

    // The same for a value whose bytes the caller writes to the returned place before the next call. Null:
    // above the limit.
    [[nodiscard]] char* add_room(std::size_t bytes);

    // As answer_size() counts.
    [[nodiscard]] std::size_t size() const { return size_; }

    [[nodiscard]] std::size_t rows() const override { return values_.size() / columns_; }
    [[nodiscard]] std::size_t columns() const override { return columns_; }
    [[nodiscard]] std::optional<std::string_view> cell(std::size_t row, std::size_t column) const override;

  private:
    struct Value {
        std::size_t begin;
        std::size_t length;
    };
    void make_room(std::size_t bytes);
    [[nodiscard]] bool count(std::size_t bytes);

    std::size_t columns_ = 1;
    std::size_t limit_ = 0;
    std::size_t size_ = 0;
    std::string bytes_;
    std::vector<Value> values_;
};

}  // namespace proxyd::pool
