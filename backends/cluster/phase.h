// The phase in which a connection failed: an error may have another meaning while connecting.
#pragma once

#include <cstdint>

namespace proxyd::cluster {

enum class Phase : std::uint8_t { connecting, querying };

}  // namespace proxyd::cluster
