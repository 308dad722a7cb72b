// Answered lookups, kept for their memory.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "backends/sqlite/lookup.h"

namespace proxyd::sqlite {

class SpareLookups {
  public:
    // A lookup without a statement, a callback and an answer.
    [[nodiscard]] SharedLookup take() {
        if (spare_.empty()) return std::make_shared<Lookup>();
        auto lookup = std::move(spare_.back());
        spare_.pop_back();
        return lookup;
    }

    // To be called when nobody else uses the lookup. Large ones are not kept.
    void keep(SharedLookup lookup) {
        auto& job = lookup->job;
        if (spare_.size() >= most_kept || job.answer.rows.size() + job.key.size() > most_bytes) return;
        job.statement.reset();
        job.answer.failed = job.locked_out = false;
        lookup->asked = {};
        spare_.push_back(std::move(lookup));
    }

  private:
    static constexpr std::size_t most_kept = 256;
    static constexpr std::size_t most_bytes = 4096;  // of key and answer

    std::vector<SharedLookup> spare_;
};

}  // namespace proxyd::sqlite
