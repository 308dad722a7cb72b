#include "backends/pgsql/shape.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>

namespace proxyd::pgsql {
namespace {

// text, varchar, char(n), name: these numbers are the same on every server.
constexpr std::array<Oid, 4> textual_types{25, 1043, 1042, 19};

}  // namespace

Shape shape_of(const PGresult* result) {
    Shape shape{PQnfields(result), 0, true};
    const auto mix = [&shape](std::size_t value) { shape.names = shape.names * 1099511628211ULL + value; };
    for (int i = 0; i < shape.columns; ++i) {
        const auto type = PQftype(result, i);
        mix(std::hash<std::string_view>{}(PQfname(result, i)));
        mix(type);
        mix(static_cast<std::size_t>(PQfmod(result, i)));
        if (std::find(textual_types.begin(), textual_types.end(), type) == textual_types.end())
            shape.textual = false;
    }
    return shape;
}

}  // namespace proxyd::pgsql
