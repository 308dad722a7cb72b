#include "backends/sqlite/delivery.h"

#include <optional>
#include <string_view>

#include "backends/pool/large_memory.h"

namespace proxyd::sqlite {
namespace {

class AnswerRows final : public pool::Rows {
  public:
    explicit AnswerRows(const Answer& answer) : answer_(answer) {}

    [[nodiscard]] std::size_t rows() const override { return answer_.values.size(); }
    [[nodiscard]] std::size_t columns() const override { return 1; }
    [[nodiscard]] std::optional<std::string_view> cell(std::size_t row, std::size_t) const override {
        const auto& value = answer_.values[row];
        if (!value) return std::nullopt;
        return *value;
    }

  private:
    const Answer& answer_;
};

}  // namespace

bool is_heavy(const Answer& answer) {
    std::size_t size = 0;
    for (const auto& value : answer.values) {
        size += pool::answer_size(1, 1, value ? value->size() : 0);
        if (size > large_answer) return true;
    }
    return false;
}

void tell(const Lookup& lookup) {
    if (!lookup.asked.callback) return;
    if (lookup.job.answer.failed) {
        lookup.asked.callback({nullptr, lookup.job.answer.failure});
    } else {
        const AnswerRows rows(lookup.job.answer);
        lookup.asked.callback({&rows, {}});
    }
}

}  // namespace proxyd::sqlite
