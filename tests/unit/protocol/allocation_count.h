// Counts the allocations of this test program, for promises about code that must not need any.
#pragma once

namespace proxyd {

[[nodiscard]] int allocation_count();

}  // namespace proxyd
