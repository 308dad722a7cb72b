// The option section of proxyd.cf(5), written from the declarations.
#pragma once

#include <string>

namespace proxyd {

// mdoc entries in the order of declaration: one `.It Sy name No = default` each, with its text, to stand
// between `.Bl -tag` and `.El`.
[[nodiscard]] std::string options_as_mdoc();

}  // namespace proxyd
