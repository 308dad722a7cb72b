#include "proxyd/postfix/approved_tables.h"

#include <algorithm>

#include "backends/config/list.h"
#include "backends/config/parameter_file.h"
#include "protocol/table_name.h"

namespace proxyd::postfix {

using protocol::TableName;

namespace {

bool begins_with_letter_or_digit(std::string_view text) {
    if (text.empty()) return false;
    const char c = text.front();
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace

TokenRules token_rules(const Version& version) {
    const auto patched = [&](int minor, int patch) {
        return version.at_least(3, minor, patch) && !version.at_least(3, minor + 1);
    };
    TokenRules rules;
    rules.braces = version.at_least(3, 5);
    rules.nested_maps = patched(4, 29) || patched(5, 14) || patched(6, 4) || version.at_least(3, 7);
    const bool since_3_11 = version.at_least(3, 11);
    rules.files = since_3_11;
    rules.plain_names = since_3_11;
    rules.restriction_classes = since_3_11;
    return rules;
}

// Walks values, nested maps and files, and adds the tables found to the set.
class TableCollector {
  public:
    TableCollector(ApprovedTables& approved, const TokenRules& rules, const FileReader& reader)
        : approved_(approved), rules_(rules), reader_(reader) {}

    void collect(std::string_view value) {
        for (const std::string& token : config::split_list_with_braces(value)) collect_token(token);
    }

    // As collect(), for a value with `$` expressions.
    void collect_expanded(const MainCf& main_cf, std::string_view name) {
        const std::optional<std::string> raw = main_cf.raw(name);
        if (!raw) return;
        std::string value;
        try {
            value = main_cf.expand(*raw);
        } catch (const config::ExpansionError& error) {
            warn(std::string(name) + ": " + error.what());
            value = expand_what_can_be(main_cf, *raw);
        }
        collect(value);
    }

    void warn(std::string text) { approved_.warnings_.push_back(std::move(text)); }

  private:
    // A broken parameter must not remove the tables of other parameters, or those of its own other parts.
    static std::string expand_what_can_be(const MainCf& main_cf, std::string_view raw, int depth = 0) {
        constexpr int deep_enough = 10;  // of references that are a word by themselves
        std::string value;
        for (const std::string& word : config::split_list_with_braces(raw)) {
            try {
                value += main_cf.expand(word);
            } catch (const config::ExpansionError&) {
                // Reported with the whole value.
                const auto part = main_cf.raw(referred_name(word));
                if (part && depth < deep_enough) value += expand_what_can_be(main_cf, *part, depth + 1);
            }
            value += ' ';
        }
        return value;
    }

    // The name in $name or ${name}; "" for any other word.
    static std::string_view referred_name(std::string_view word) {
        if (!word.starts_with('$')) return {};
        word.remove_prefix(1);
        if (word.starts_with('{') && word.ends_with('}')) word = word.substr(1, word.size() - 2);
        const bool is_name = std::all_of(word.begin(), word.end(), [](char c) {
            return begins_with_letter_or_digit(std::string_view(&c, 1)) || c == '_';
        });
        return is_name ? word : std::string_view();
    }

    void collect_token(std::string_view token) {
        std::string inside;
        if (rules_.braces && token.starts_with('{')) {
            if (!strip(token, inside)) return;
            const std::vector<std::string> words = config::split_list_with_braces(inside);
            if (words.empty()) return;
            inside = words.front();
            token = inside;
        }
        if (rules_.files && token.starts_with('/')) return collect_file(std::string(token));
        if (rules_.plain_names &&
            (!begins_with_letter_or_digit(token) || !TableName::parse(token).has_type)) {
            return;
        }
        const auto table = TableName::parse(token);
        if (rules_.nested_maps && !table.proxied && table.has_type && protocol::is_composite_type(table.type))
            return collect_nested(table.name);
        // Requests for names without a type are refused before they get here.
        if (table.proxied && table.has_type) approved_.tables_.emplace(table.text);
    }

    void collect_nested(std::string_view maps) {
        std::string inside;
        if (maps.starts_with('{') && strip(maps, inside)) collect(inside);
    }

    bool strip(std::string_view braced, std::string& inside) {
        std::string error;
        std::optional<std::string> stripped = config::strip_braces(braced, error);
        if (!stripped) {
            warn(error);
            return false;
        }
        inside = std::move(*stripped);
        return true;
    }

    // Each file is read once, even if it is named several times or in a circle.
    void collect_file(const std::string& path) {
        if (!files_.insert(path).second) return;
        std::string error;
        const std::optional<std::string> text = reader_(path, error);
        if (!text) return warn(error);
        const config::LogicalLines logical = config::split_logical_lines(*text);
        for (const config::Problem& problem : logical.warnings) {
            warn(path + ", line " + std::to_string(problem.line) + ": " + problem.message);
        }
        for (const config::LogicalLine& line : logical.lines) collect(line.text);
    }

    ApprovedTables& approved_;
    const TokenRules rules_;
    const FileReader& reader_;
    std::set<std::string> files_;
};

ApprovedTables ApprovedTables::from_main_cf(const MainCf& main_cf, Access access, const FileReader& reader) {
    ApprovedTables approved;
    const TokenRules rules = token_rules(main_cf.mail_version());
    TableCollector collector(approved, rules, reader);
    collector.collect_expanded(main_cf, access == Access::read ? "proxy_read_maps" : "proxy_write_maps");
    if (access == Access::write || !rules.restriction_classes) return approved;
    std::string classes;
    try {
        classes = main_cf.value("smtpd_restriction_classes");
    } catch (const config::ExpansionError& error) {
        collector.warn(std::string("smtpd_restriction_classes: ") + error.what());
    }
    for (const std::string& name : config::split_list(classes)) {
        if (main_cf.configured(name)) collector.collect_expanded(main_cf, name);
    }
    return approved;
}

ApprovedTables ApprovedTables::from_value(std::string_view value, const TokenRules& rules,
                                          const FileReader& reader) {
    ApprovedTables approved;
    TableCollector(approved, rules, reader).collect(value);
    return approved;
}

ApprovedTables ApprovedTables::from_names(const std::vector<std::string>& names) {
    ApprovedTables approved;
    for (const std::string& name : names) approved.tables_.emplace(TableName::parse(name).text);
    return approved;
}

}  // namespace proxyd::postfix
