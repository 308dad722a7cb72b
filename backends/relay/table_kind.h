// The kind of table behind a name, for when the server cannot be asked.
#pragma once

#include <string_view>

#include "protocol/flags.h"

namespace proxyd::relay {

// The flags that the stock server announces for a working table of this type. They decide whether clients ask
// for parts of an address, and clients keep them: matching a pattern against parts that it was not written
// for would give wrong answers. An unknown type counts as patterns, as full keys are always right.
[[nodiscard]] protocol::Flags usual_flags(std::string_view table);

}  // namespace proxyd::relay
