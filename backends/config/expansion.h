// Expansion of $name, ${name?{text}:{text}}, ${{a} == {b} ? {c} : {d}} and ${function{text}} in parameter
// values (postconf(5)).
#pragma once

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace proxyd::config {

// A bad `${`, an empty name, a bad operator, an unknown function, or a parameter that refers to itself.
// what() contains the value, cut if it is long, and the fault.
class ExpansionError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// Gives a parameter's raw value; no value when it is not defined (which expands to nothing).
using ParameterLookup = std::function<std::optional<std::string>(std::string_view name)>;

// Expands all references in `text`, recursively. Throws ExpansionError.
[[nodiscard]] std::string expand(std::string_view text, const ParameterLookup& lookup);

}  // namespace proxyd::config
