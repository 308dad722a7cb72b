// The check that fuzz targets use for properties of every input.
#pragma once

#include <cstdlib>

// Aborts unless `promise` holds, so that the fuzzer keeps the input. Unlike assert(), it works in every
// build.
inline void require(bool promise) {
    if (!promise) {
        std::abort();
    }
}
