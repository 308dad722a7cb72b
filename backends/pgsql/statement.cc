#include "backends/pgsql/statement.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace proxyd::pgsql {
namespace {

// FNV-1a with a choice of start value; two of them make 128 bits.
std::uint64_t hash(std::string_view text, std::uint64_t start) {
    std::uint64_t value = start;
    for (const char c : text) {
        value ^= static_cast<unsigned char>(c);
        value *= 0x100000001b3ULL;
    }
    return value;
}

}  // namespace

Statement::Statement(sql::Template query, sql::SqlAnalysis analysis, bool prepare)
    : query_(std::move(query)), analysis_(std::move(analysis)) {
    if (!analysis_.bound) return;
    first_choice_ = prepare ? Path::prepared : Path::bound;
    path_ = first_choice_;
    const auto& text = analysis_.bound->text;
    server_name_ = fmt::format("proxyd_{:016x}{:016x}", hash(text, 0xcbf29ce484222325ULL),
                               hash(text, 0x9ae16a3b2f90404fULL));
}

}  // namespace proxyd::pgsql
