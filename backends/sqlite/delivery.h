// Handing an answer of an SQLite file to who waits for it.
#pragma once

#include "backends/sqlite/lookup.h"

namespace proxyd::sqlite {

// Whether to hand it on takes milliseconds: see large_answer.
[[nodiscard]] bool is_heavy(const Answer& answer);

// Calls back with the answer or its failure, unless it has been answered already.
void tell(const Lookup& lookup);

}  // namespace proxyd::sqlite
