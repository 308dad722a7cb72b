#include "backends/table/domain_list.h"

#include <algorithm>

#include <fmt/format.h>

#include "backends/config/list.h"
#include "backends/sql/folding.h"

namespace proxyd::table {

namespace {

bool has_comment(std::string_view line) {
    const auto words = config::split_list_with_braces(line);
    return std::any_of(words.begin(), words.end(), [](const auto& word) { return word.front() == '#'; });
}

}  // namespace

std::optional<std::string_view> listed_domain(std::string_view folded_key) {
    const std::size_t at = folded_key.rfind('@');
    if (at == std::string_view::npos || at == 0) return std::nullopt;
    return folded_key.substr(at + 1);
}

std::optional<DomainList> DomainList::parse(std::string_view value, const ReadFile& read, bool utf8,
                                            std::string& error) {
    DomainList list;
    list.utf8_ = utf8;
    list.given_ = value.find_first_not_of(" \t\r\n") != std::string_view::npos;
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
        if (name.front() != '[' && name.find(':') != std::string::npos) {
            add(table_item(name), item_negated);
        } else {
            names_.try_emplace(folded(name), Name{count_, item_negated});
            ++count_;
        }
    }
    return true;
}

void DomainList::add(Item item, bool negated) {
    item.negated = negated;
    item.place = count_++;
    items_.push_back(std::move(item));
}

// Up to Postfix 3.7 each line stands by itself. Since then a line that begins with white space continues the
// previous one. The result is the same, unless the previous line is a comment or does not exist; in these
// cases no domain is lost here.
bool DomainList::add_lines(std::string_view text, const std::string& path, bool negated, const ReadFile& read,
                           std::vector<std::string>& open_files, std::string& error) {
    bool begun = false;
    bool in_comment = false;
    for (int number = 1; !text.empty(); ++number) {
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (const auto nul = line.find('\0'); nul != std::string_view::npos) {
            warnings_.push_back(fmt::format("{}, line {}: ignored from a null byte", path, number));
            line = line.substr(0, nul);
        }
        const auto content = config::trim(line);
        if (content.empty() || content.front() == '#') continue;
        const bool continues = content.data() != line.data();
        if (continues && (!begun || in_comment))
            warnings_.push_back(fmt::format(
                "{}, line {}: begins with white space, so that Postfix 3.8 and later takes it for "
                "{}: remove the white space",
                path, number, in_comment ? "part of the comment before" : "a mistake"));
        begun = begun || !continues;
        in_comment = (continues && in_comment) || has_comment(content);
        if (!add_items(line, negated, read, open_files, error)) {
            error.insert(0, fmt::format("{}, line {}: ", path, number));
            return false;
        }
    }
    return true;
}

bool DomainList::add_file(const std::string& path, bool negated, const ReadFile& read,
                          std::vector<std::string>& open_files, std::string& error) {
    if (std::find(files_.begin(), files_.end(), path) == files_.end()) files_.push_back(path);
    Item broken;
    broken.kind = Item::Kind::broken;
    broken.text = path;
    if (std::find(open_files.begin(), open_files.end(), path) != open_files.end()) {
        broken.reason = path + ": the file includes itself";
        add(std::move(broken), negated);
        return true;
    }
    const std::optional<std::string> text = read(path, broken.reason);
    if (!text) {
        add(std::move(broken), negated);
        return true;
    }
    const auto before = count_;
    open_files.push_back(path);
    const bool good = add_lines(*text, path, negated, read, open_files, error);
    open_files.pop_back();
    if (good && count_ == before) empty_files_.push_back(path);
    return good;
}

DomainList::Item DomainList::table_item(const std::string& name) {
    Item item;
    item.text = name;
    item.kind = Item::Kind::table;
    const auto colon = name.find(':');  // a name not served here may begin with "proxy:"
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
    return utf8_ && sql::is_utf8(domain) ? sql::fold_utf8(domain) : sql::fold_ascii(domain);
}

DomainMatch DomainList::decided(bool negated) {
    DomainMatch match;
    match.kind = negated ? DomainMatch::Kind::no : DomainMatch::Kind::yes;
    return match;
}

DomainMatch DomainList::match(std::string_view folded_domain, std::size_t from) const {
    const auto name = names_.find(folded_domain);
    const auto end = name == names_.end() ? count_ : name->second.place;
    for (std::size_t i = from; i < items_.size() && items_[i].place < end; ++i) {
        const Item& item = items_[i];
        switch (item.kind) {
            case Item::Kind::inline_table:
                if (item.entries->find(folded_domain)) return decided(item.negated);
                break;
            case Item::Kind::every: return decided(item.negated);
            case Item::Kind::table: return {DomainMatch::Kind::ask, i, item.text, {}};
            case Item::Kind::broken: return {DomainMatch::Kind::broken, i, item.text, item.reason};
        }
    }
    return name == names_.end() ? DomainMatch{} : decided(name->second.negated);
}

std::vector<DomainList::Fault> DomainList::faults() const {
    std::vector<Fault> faults;
    for (const Item& item : items_) {
        if (item.kind == Item::Kind::broken) faults.push_back({item.text, item.reason});
    }
    return faults;
}

std::string DomainList::lost_since(const DomainList& before) const {
    const auto known = before.faults();
    for (const auto& fault : faults()) {
        const bool is_new = std::none_of(known.begin(), known.end(),
                                         [&fault](const auto& one) { return one.item == fault.item; });
        if (is_new && fault.item.starts_with('/')) return fmt::format("domain: {}", fault.reason);
    }
    for (const auto& file : empty_files_) {
        const auto has = [&file](const auto& files) {
            return std::find(files.begin(), files.end(), file) != files.end();
        };
        if (has(before.files_) && !has(before.empty_files_))
            return fmt::format("domain: {} holds no domain any more: if that is meant, reload", file);
    }
    return {};
}

std::vector<std::string> DomainList::tables() const {
    std::vector<std::string> names;
    for (const Item& item : items_) {
        if (item.kind == Item::Kind::table) names.push_back(item.text);
    }
    return names;
}

DomainMatch DomainList::resume(std::string_view folded_domain, std::size_t index, bool found) const {
    if (found) return decided(items_[index].negated);
    return match(folded_domain, index + 1);
}

}  // namespace proxyd::table
