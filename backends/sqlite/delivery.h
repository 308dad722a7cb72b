// Hands the answer of an SQLite file to the waiting lookup.
#pragma once

#include "backends/sqlite/lookup.h"

namespace proxyd::sqlite {

// Whether handing the answer on takes milliseconds: see large_answer.
[[nodiscard]] bool is_heavy(const Answer& answer);

// Calls back with the answer or its failure, unless the lookup has been answered already.
void tell(const Lookup& lookup);

}  // namespace proxyd::sqlite
