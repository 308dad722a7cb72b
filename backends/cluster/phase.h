// What a connection was doing when it failed: the same error means another thing while it is made.
#pragma once

#include <cstdint>

namespace proxyd::cluster {

enum class Phase : std::uint8_t { connecting, querying };

}  // namespace proxyd::cluster
