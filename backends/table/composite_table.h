// unionmap:{...} and pipemap:{...}: tables made of other tables (DATABASE_README). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxyd::table {

struct CompositeTable {
    enum class Kind {
        all,    // unionmap: the results of all members, in their order, joined by commas
        chain,  // pipemap: each member gets the result of the previous one as key
    };
    Kind kind = Kind::all;
    std::vector<std::string> members;  // type:name each; at least one

    // No value for any other table, and for one whose braces or members the stock server would refuse.
    [[nodiscard]] static std::optional<CompositeTable> parse(std::string_view table);
};

}  // namespace proxyd::table
