// The phase in which a connection failed: an error may have another meaning while connecting.
#pragma once

#include <cstdint>

namespace proxyd::cluster {

enum class Phase : std::uint8_t {
    connecting,  // no query has been possible on the connection yet
    querying,    // a query was sent
};

}  // namespace proxyd::cluster
