// What a fuzz target promises about any input.
#pragma once

#include <cstdlib>

// Stops the program, so that the fuzzer keeps the input, unless `promise` holds. Unlike assert, in every
// build.
inline void require(bool promise) {
    if (!promise) {
        std::abort();
    }
}
