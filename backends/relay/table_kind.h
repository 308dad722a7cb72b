// What kind of table stands behind a name, when the server that could say so cannot be asked.
#pragma once

#include <string_view>

#include "protocol/flags.h"

namespace proxyd::relay {

// The flags that the stock server announces for a working table of this type. They decide whether clients ask
// for parts of an address, and clients keep them: a pattern matched against parts that it was not written for
// would give wrong answers. A type that is not known counts as patterns, as full keys are always right.
[[nodiscard]] protocol::Flags usual_flags(std::string_view table);

}  // namespace proxyd::relay
