// The columns of an answer: their number, names, types and format.
#pragma once

#include <cstddef>

#include <libpq-fe.h>

namespace proxyd::pgsql {

// Two answers of one prepared statement have the same shape: the server ensures it.
struct Shape {
    int columns = -1;       // -1: not known yet
    std::size_t names = 0;  // a hash of the names and types
    bool textual = false;   // all columns are of types whose binary format is their text

    [[nodiscard]] bool same(const Shape& other) const {
        return columns == other.columns && names == other.names;
    }
};

// The shape of rows, or of the description of a statement.
[[nodiscard]] Shape shape_of(const PGresult* result);

}  // namespace proxyd::pgsql
