#include "backends/sqlite/delivery.h"

#include "backends/pool/large_memory.h"

namespace proxyd::sqlite {

bool is_heavy(const Answer& answer) {
    return answer.rows.size() > large_answer;
}

void tell(const Lookup& lookup) {
    if (!lookup.asked.callback) return;
    if (lookup.job.answer.failed) {
        lookup.asked.callback({nullptr, lookup.job.answer.failure});
    } else {
        lookup.asked.callback({&lookup.job.answer.rows, {}});
    }
}

}  // namespace proxyd::sqlite
