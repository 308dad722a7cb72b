// Counts the allocations of this test program, to show that some code needs none.
#pragma once

namespace proxyd {

[[nodiscard]] int allocation_count();

}  // namespace proxyd
