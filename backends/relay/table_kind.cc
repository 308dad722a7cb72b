#include "backends/relay/table_kind.h"

#include <algorithm>
#include <array>
#include <string>

#include "backends/table/composite_table.h"

namespace proxyd::relay {

namespace flag = protocol::flag;
using protocol::Flags;

namespace {

constexpr Flags with_or_without_null = flag::fixed | flag::try0null | flag::try1null;

struct Kind {
    std::string_view type;
    Flags flags;
};

constexpr std::array kinds = {
    Kind{"btree", with_or_without_null},
    Kind{"cdb", with_or_without_null},
    Kind{"dbm", with_or_without_null},
    Kind{"environ", flag::fixed},
    Kind{"hash", with_or_without_null},
    Kind{"inline", flag::fixed},
    Kind{"internal", flag::fixed},
    Kind{"ldap", flag::fixed},
    Kind{"lmdb", with_or_without_null | flag::multi_writer},
    Kind{"memcache", flag::fixed | flag::multi_writer},
    Kind{"mongodb", flag::fixed},
    Kind{"mysql", flag::fixed},
    Kind{"netinfo", flag::fixed},
    Kind{"nis", with_or_without_null},
    Kind{"nisplus", flag::fixed},
    Kind{"pgsql", flag::fixed},
    Kind{"sdbm", with_or_without_null},
    Kind{"sqlite", flag::fixed},
    Kind{"static", flag::fixed},
    Kind{"texthash", flag::fixed},
    Kind{"unix", flag::fixed},
};

}  // namespace

Flags usual_flags(std::string_view table) {
    if (const auto list = table::CompositeTable::parse(table)) return usual_flags(list->members.front());
    const auto type = table.substr(0, table.find(':'));
    const auto* known =
        std::find_if(kinds.begin(), kinds.end(), [type](const Kind& kind) { return kind.type == type; });
    return known == kinds.end() ? flag::pattern : known->flags;
}

}  // namespace proxyd::relay
