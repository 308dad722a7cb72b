// The input has up to four lines: a query template, a result format, a key and a column's value.
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "backends/sql/folding.h"
#include "backends/sql/lexer.h"
#include "backends/sql/template.h"
#include "tests/fuzz/require.h"

namespace {

using namespace proxyd::sql;

std::string written_again(const Template& parsed) {
    std::string source;
    for (const TemplatePart& part : parsed.parts) {
        for (const char c : part.text) source += c == '%' ? std::string("%%") : std::string(1, c);
        if (part.specifier) source += specifier_text(part);
    }
    return source;
}

std::optional<Template> parse(std::string_view source) {
    std::string error;
    std::optional<Template> parsed = parse_template(source, error);
    require(parsed.has_value() == error.empty());
    if (parsed) require(parsed->source == source && written_again(*parsed) == source);
    return parsed;
}

void require_good_folding(std::string_view key) {
    require(fold_ascii(key).size() == key.size());
    if (!is_utf8(key)) return;
    const std::string folded = fold_utf8(key);
    require(is_utf8(folded));
    require(fold_utf8(folded) == folded);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view input{reinterpret_cast<const char*>(data), size};
    std::array<std::string_view, 4> fields;
    for (std::string_view& field : fields) {
        const std::size_t end = input.find('\n');
        field = input.substr(0, end);
        input = end == std::string_view::npos ? std::string_view() : input.substr(end + 1);
    }
    const auto [query_source, format_source, key, value] = fields;
    require_good_folding(key);

    const std::optional<Template> query = parse(query_source);
    const std::optional<Template> format = parse(format_source);
    if (!query || !format) return 0;
    const KeyParts parts(key);
    if (!suits(parts, key_demands(*query, *format))) return 0;

    // A key that meets the demands has every part that the templates name.
    const Quote inside_the_key = [key_view = key](std::string_view part, std::string& out) {
        const std::less_equal<> before;
        require(!part.empty());
        require(before(key_view.data(), part.data()));
        require(before(part.data() + part.size(), key_view.data() + key_view.size()));
        out += part;
        return true;
    };
    require(expand_query(*query, parts, inside_the_key).has_value());

    ResultCollector collector(*format, parts, 2, 1 << 20);
    const ResultCollector::Added first = collector.add(value);
    require((first == ResultCollector::Added::empty_value) == value.empty());
    require(collector.add(value) == first);
    const bool appended = first == ResultCollector::Added::appended;
    require(collector.add(value) == (appended ? ResultCollector::Added::over_limit : first));
    const std::string result = collector.take();
    require(appended || result.empty());
    if (appended && !format_source.empty()) {
        require(result.size() % 2 == 1 && result[result.size() / 2] == ',');
        require(result.substr(0, result.size() / 2) == result.substr(result.size() / 2 + 1));
    }
    return 0;
}
