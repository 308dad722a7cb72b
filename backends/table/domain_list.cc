#include "backends/table/domain_list.h"

#include <algorithm>

#include "backends/config/list.h"
#include "backends/config/parameter_file.h"
#include "backends/table/key.h"

namespace proxyd::table {

std::optional<std::string_view> listed_domain(std::string_view folded_key) {
    const std::size_t at = folded_key.rfind('@');
    if (at == std::string_view::npos || at == 0) return std::nullopt;
    return folded_key.substr(at + 1);
}

std::optional<DomainList> DomainList::parse(std::string_view value, const ReadFile& read, bool utf8,
                                            std::string& error) {
    DomainList list;
    list.utf8_ = utf8;
    list.given_ = !config::split_list_with_braces(value).empty();
    std::vector<std::string> open_files;
    if (!list.add_items(value, false, read, open_files, error)) return std::nullopt;
    return list;
}

bool DomainList::add_items(std::string_view list, bool negated, const ReadFile& read,
                           std::vector<std::string>& open_files, std::string& error) {
    for (const std::string& word : config::split_list_with_braces(list)) {
        if (word.front() == '#') {
            warnings_.push_back("domain: no comments at the end of a line: ignored from \"" + word + "\"");
            return true;
        }
        const std::size_t start = std::min(word.find_first_not_of('!'), word.size());
        const bool item_negated = negated != (start % 2 == 1);
        const std::string name = word.substr(start);
        if (name.empty()) {
            error = "domain: nothing after \"" + word + "\"";
            return false;
        }
        if (name.front() == '/') {
            if (!add_file(name, item_negated, read, open_files, error)) return false;
            continue;
        }
        Item item;
        if (name.front() != '[' && name.find(':') != std::string::npos)
            item = table_item(name);
        else
            item.text = folded(name);
        item.negated = item_negated;
        items_.push_back(std::move(item));
    }
    return true;
}

bool DomainList::add_file(const std::string& path, bool negated, const ReadFile& read,
                          std::vector<std::string>& open_files, std::string& error) {
    if (std::find(files_.begin(), files_.end(), path) == files_.end()) files_.push_back(path);
    Item broken;
    broken.kind = Item::Kind::broken;
    broken.negated = negated;
    broken.text = path;
    if (std::find(open_files.begin(), open_files.end(), path) != open_files.end()) {
        broken.reason = path + ": the file includes itself";
        items_.push_back(std::move(broken));
        return true;
    }
    const std::optional<std::string> text = read(path, broken.reason);
    if (!text) {
        items_.push_back(std::move(broken));
        return true;
    }
    open_files.push_back(path);
    bool good = true;
    const config::LogicalLines content = config::split_logical_lines(*text);
    for (const config::Problem& problem : content.warnings)
        warnings_.push_back(path + ", line " + std::to_string(problem.line) + ": " + problem.message);
    for (const config::LogicalLine& line : content.lines) {
        good = add_items(line.text, negated, read, open_files, error);
        if (!good) {
            error.insert(0, path + ", line " + std::to_string(line.number) + ": ");
            break;
        }
    }
    open_files.pop_back();
    return good;
}

DomainList::Item DomainList::table_item(const std::string& name) {
    Item item;
    item.text = name;
    item.kind = Item::Kind::table;
    const std::size_t colon = name.find(':');
    const std::string_view type = std::string_view(name).substr(0, colon);
    const std::string_view rest = std::string_view(name).substr(colon + 1);
    std::string error;
    if (type == "inline") {
        item.entries = InlineTable::parse(rest, error);
        item.kind = item.entries ? Item::Kind::inline_table : Item::Kind::broken;
        if (item.entries) warn_of_capitals(*item.entries);
    } else if (type == "static") {
        item.kind = static_value(rest, error) ? Item::Kind::every : Item::Kind::broken;
    } else if (type == "fail") {
        item.kind = Item::Kind::broken;
        error = "such a table always fails";
    } else if (type.empty() || rest.empty()) {
        item.kind = Item::Kind::broken;
        error = "expected type:name";
    }
    if (item.kind == Item::Kind::broken) item.reason = name + ": " + error;
    return item;
}

void DomainList::warn_of_capitals(const InlineTable& table) {
    for (const std::string& key : table.keys()) {
        if (folded(key) != key)
            warnings_.push_back("domain: inline: \"" + key + "\" is never found: write \"" + folded(key) +
                                "\"");
    }
}

std::string DomainList::folded(std::string_view domain) const {
    return utf8_ && is_utf8(domain) ? fold_utf8(domain) : fold_ascii(domain);
}

DomainMatch DomainList::decided(const Item& item) {
    DomainMatch match;
    match.kind = item.negated ? DomainMatch::Kind::no : DomainMatch::Kind::yes;
    return match;
}

DomainMatch DomainList::match(std::string_view folded_domain, std::size_t from) const {
    for (std::size_t i = from; i < items_.size(); ++i) {
        const Item& item = items_[i];
        switch (item.kind) {
            case Item::Kind::literal:
                if (item.text == folded_domain) return decided(item);
                break;
            case Item::Kind::inline_table:
                if (item.entries->find(folded_domain)) return decided(item);
                break;
            case Item::Kind::every: return decided(item);
            case Item::Kind::table: return {DomainMatch::Kind::ask, i, item.text, {}};
            case Item::Kind::broken: return {DomainMatch::Kind::broken, i, item.text, item.reason};
        }
    }
    return {};
}

std::vector<DomainList::Fault> DomainList::faults() const {
    std::vector<Fault> faults;
    for (const Item& item : items_) {
        if (item.kind == Item::Kind::broken) faults.push_back({item.text, item.reason});
    }
    return faults;
}

std::vector<std::string> DomainList::tables() const {
    std::vector<std::string> names;
    for (const Item& item : items_) {
        if (item.kind == Item::Kind::table) names.push_back(item.text);
    }
    return names;
}

DomainMatch DomainList::resume(std::string_view folded_domain, std::size_t index, bool found) const {
    if (found) return decided(items_[index]);
    return match(folded_domain, index + 1);
}

}  // namespace proxyd::table
