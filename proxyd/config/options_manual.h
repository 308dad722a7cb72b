// The option section of proxyd.cf(5), and an example of that file, written from the declarations.
#pragma once

#include <string>

namespace proxyd {

// The mdoc entries in the order of declaration: `.It Sy name No = default` and the text of the option. The
// caller puts them between `.Bl -tag` and `.El`.
[[nodiscard]] std::string options_as_mdoc();

// A proxyd.cf that changes nothing: every option with its default and its text, commented out.
[[nodiscard]] std::string options_as_example();

}  // namespace proxyd
