// Names that other programs give to what a table file has under a name of its own.
#pragma once

#include <string>
#include <string_view>

namespace proxyd::control {

// What to write in place of a parameter that a table of this type ("mysql") does not have, as in `"dbname"`
// or `the port behind the host, as in "hosts = 127.0.0.1:5432"`; "": not known.
[[nodiscard]] std::string write_instead(std::string_view type, std::string_view name);

}  // namespace proxyd::control
