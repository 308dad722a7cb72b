#include "proxyd/control/client/query.h"

#include <istream>
#include <optional>
#include <ostream>
#include <utility>

#include <fmt/format.h>

#include "backends/sql/folding.h"
#include "protocol/client_session.h"
#include "protocol/flags.h"
#include "protocol/table_name.h"

namespace proxyd::control {
namespace {

namespace flag = protocol::flag;
using protocol::Layout;
using protocol::Status;

// The flags of postmap: the table is locked while it is read, keys have any case, text is UTF-8.
constexpr protocol::Flags postmap_flags = flag::dup_warn | flag::lock | flag::fold_fix | flag::utf8_request;

class OpenTable {
  public:
    OpenTable(const QuerySettings& settings, const Ask& ask, std::ostream& warnings)
        : settings_(settings),
          name_(protocol::TableName::parse(settings.table).text),
          ask_(ask),
          warnings_(warnings),
          flags_(settings.layout, postmap_flags, settings.smtputf8) {
        if (const auto fault = table_name_fault(name_); !fault.empty()) throw QueryError(fault);
        auto answer = ask_(flags_.open(name_));
        if (answer.status == Status::bad) {
            const auto other = settings.layout == Layout::flags ? Layout::instance_flags : Layout::flags;
            flags_ = {other, postmap_flags, settings.smtputf8};
            answer = ask_(flags_.open(name_));
        }
        if (answer.status != Status::ok) fail(answer.status, "");
        folds_whole_keys_ = (answer.flags & flag::fixed) != 0;
        flags_.opened(answer.flags);
    }

    [[nodiscard]] std::optional<std::string> find(std::string key) {
        if (flags_.client_folds()) {
            if (!sql::is_utf8(key)) {
                warnings_ << fmt::format("warning: table {}: the key is not UTF-8 and is never found\n",
                                         name_);
                return std::nullopt;
            }
            if (folds_whole_keys_) key = sql::fold_utf8(key);
        }
        const auto answer = ask_(flags_.lookup(name_, key));
        flags_.replied(answer.flags);
        switch (answer.status) {
            case Status::ok: break;
            case Status::nokey: return std::nullopt;
            default: fail(answer.status, key);
        }
        if (flags_.client_folds() && !sql::is_utf8(answer.value)) fail(Status::config, key);
        return answer.value;
    }

  private:
    [[noreturn]] void fail(Status status, const std::string& key) const {
        const auto about =
            key.empty() ? fmt::format("table {}", name_) : fmt::format("table {}, key {}", name_, key);
        const bool of_table = status == Status::deny || status == Status::retry;
        const auto fault = of_table && settings_.table_fault ? settings_.table_fault() : "";
        switch (status) {
            case Status::deny:
                throw QueryError(fmt::format("{}: the daemon may not serve this table. {}", about,
                                             fault.empty() ? settings_.approval_hint : fault));
            case Status::bad:
                throw QueryError(fmt::format("{}: the daemon takes the request for malformed", about));
            case Status::config:
                throw QueryError(fmt::format("{}: query error: the value found is not UTF-8", about));
            default:
                throw QueryError(fmt::format("{}: query error: the lookup failed for now. {}", about,
                                             fault.empty() ? settings_.log_hint : fault));
        }
    }

    const QuerySettings& settings_;
    std::string name_;
    const Ask& ask_;
    std::ostream& warnings_;
    protocol::TableFlags flags_;
    bool folds_whole_keys_ = false;
};

void print(std::ostream& out, std::string_view key, std::string_view value) {
    out << key << '\t' << value << '\n' << std::flush;
}

void tell_miss(const QuerySettings& settings, std::string_view key, std::ostream& warnings) {
    if (!settings.tell_misses) return;
    warnings << fmt::format("not found: {} in {}\n", key.empty() ? "the empty key" : key,
                            protocol::TableName::parse(settings.table).text);
}

}  // namespace

std::string table_name_fault(std::string_view table) {
    const auto name = protocol::TableName::parse(table);
    if (name.has_type && !name.type.empty()) return {};
    return fmt::format(
        "\"{}\" is no table: expected TYPE:NAME, for example pgsql:/etc/postfix/sql/virtual_domains.cf",
        name.text);
}

int query(const QuerySettings& settings, const std::vector<std::string>& keys, const Ask& ask,
          std::ostream& out, std::ostream& warnings) {
    OpenTable table(settings, ask, warnings);
    bool any = false;
    for (const auto& key : keys) {
        const auto value = table.find(key);
        if (!value) {
            tell_miss(settings, key, warnings);
            continue;
        }
        any = true;
        if (keys.size() == 1) {
            out << *value << '\n' << std::flush;
        } else {
            print(out, key, *value);
        }
    }
    return any ? 0 : 1;
}

int query_lines(const QuerySettings& settings, std::istream& keys, const Ask& ask, std::ostream& out,
                std::ostream& warnings) {
    OpenTable table(settings, ask, warnings);
    bool any = false;
    for (std::string key; std::getline(keys, key);) {
        const auto value = table.find(key);
        if (!value) {
            tell_miss(settings, key, warnings);
            continue;
        }
        any = true;
        print(out, key, *value);
    }
    return any ? 0 : 1;
}

}  // namespace proxyd::control
