#include "backends/config/expansion.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <compare>
#include <tuple>
#include <utility>

#include "backends/config/international_domain.h"
#include "backends/config/white_space.h"

namespace proxyd::config {
namespace {

// Limit of nested references, as in Postfix.
constexpr int nesting_limit = 100;
// Operands of a comparison start a new count, as in Postfix. This limit bounds the stack nevertheless.
constexpr int total_nesting_limit = 1000;
// a = $b$b, b = $c$c ... doubles with each line. Real values have less than a hundred references.
constexpr int reference_limit = 10000;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_alphanumeric(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_name_character(char c) {
    return is_alphanumeric(c) || c == '_';
}

void skip_space(std::string_view& text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
}

template <class Predicate>
std::string_view take_while(std::string_view& text, Predicate belongs) {
    std::size_t length = 0;
    while (length < text.size() && belongs(text[length])) ++length;
    const std::string_view taken = text.substr(0, length);
    text.remove_prefix(length);
    return taken;
}

// The parts of ?{then}:{otherwise}. No value: that part is not there.
struct Branches {
    std::optional<std::string_view> then;
    std::optional<std::string_view> otherwise;
};

// N, N.M or N.M.K of compatibility_level, in order.
using Level = std::tuple<long long, long long, long long>;

// A function that may precede {text}. No value: the function does not accept the text.
struct Function {
    std::string_view name;
    std::optional<std::string> (*apply)(std::string_view text);
};

constexpr std::array<Function, 2> functions = {
    {{"domain_to_ascii", domain_to_ascii}, {"domain_to_utf8", domain_to_utf8}}};

// Default values of Postfix can have some thousand bytes.
std::string brief(std::string_view text) {
    constexpr std::size_t enough = 100;
    return text.size() <= enough ? std::string(text) : std::string(text.substr(0, enough)) + "...";
}

class Expander {
  public:
    Expander(std::string_view whole, const ParameterLookup& lookup) : whole_(whole), lookup_(lookup) {}

    std::string expand(std::string_view text, int nesting) {
        if (nesting > nesting_limit || ++total_nesting_ > total_nesting_limit) {
            fail("the references are nested too deeply (does a parameter refer to itself?)");
        }
        if (++references_ > reference_limit) fail("there are too many references");
        std::string result;
        while (true) {
            const std::size_t dollar = text.find('$');
            result += text.substr(0, dollar);
            if (dollar == std::string_view::npos) break;
            text.remove_prefix(dollar + 1);
            if (text.starts_with('$')) {
                result += '$';
                text.remove_prefix(1);
            } else if (text.starts_with('{') || text.starts_with('(')) {
                result += expand_body(take_enclosed(text), nesting);
            } else {
                const std::string_view name = take_while(text, is_name_character);
                if (name.empty()) fail("no name after '$' (a literal '$' is written as '$$')");
                result += expand_parameter(name, nesting);
            }
        }
        --total_nesting_;
        return result;
    }

  private:
    [[noreturn]] void fail(const std::string& fault) const {
        throw ExpansionError("bad '$' expression in \"" + brief(whole_) + "\": " + fault);
    }

    // Takes `{text}` or `(text)` from the front of `rest` and returns the text inside. Only brackets of the
    // same kind nest.
    std::string_view take_enclosed(std::string_view& rest) const {
        const auto [open, close] = rest.starts_with('{') ? std::pair('{', '}') : std::pair('(', ')');
        std::size_t depth = 0;
        for (std::size_t i = 0; i < rest.size(); ++i) {
            if (rest[i] == open) ++depth;
            if (rest[i] != close || --depth > 0) continue;
            const std::string_view inside = rest.substr(1, i - 1);
            rest.remove_prefix(i + 1);
            return inside;
        }
        fail(std::string("missing '") + close + "' for \"" + brief(rest) + '"');
    }

    std::string expand_parameter(std::string_view name, int nesting) {
        const std::optional<std::string> value = lookup_(name);
        return value ? expand(*value, nesting + 1) : std::string();
    }

    // The text between the brackets of ${...}.
    std::string expand_body(std::string_view body, int nesting) {
        if (body.empty()) fail("no name between the brackets");
        std::string_view rest = body;
        skip_space(rest);
        if (rest.starts_with('{')) return expand_comparison(rest, nesting);
        const std::string_view name = take_while(rest, is_name_character);
        skip_space(rest);
        if (rest.empty()) return expand_parameter(name, nesting);
        if (rest.front() == '{') return call(name, rest, nesting);
        if (rest.front() != '?' && rest.front() != ':') {
            fail("expected a name, '?' or ':' at \"" + brief(rest) + '"');
        }
        const Branches branches = parse_branches(rest);
        // The raw value decides: x = $y is not empty, even when y is.
        const std::optional<std::string> value = lookup_(name);
        return choose(branches, value && !value->empty(), nesting);
    }

    // {text} with only blanks around it and after it.
    std::string call(std::string_view name, std::string_view rest, int nesting) {
        const auto* const function = std::find_if(functions.begin(), functions.end(),
                                                  [name](const Function& one) { return one.name == name; });
        if (function == functions.end()) fail("unknown function \"" + std::string(name) + '"');
        std::string_view text = take_enclosed(rest);
        skip_space(rest);
        if (!rest.empty()) fail("unexpected text \"" + brief(rest) + "\" behind a function");
        skip_space(text);
        while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
        const std::string argument = expand(text, nesting + 1);
        auto result = function->apply(argument);
        if (!result) fail(std::string(name) + ": \"" + brief(argument) + "\" is no domain name");
        return std::move(*result);
    }

    std::string expand_comparison(std::string_view rest, int nesting) {
        const std::string_view left = take_enclosed(rest);
        skip_space(rest);
        std::string_view comparison;
        for (const std::string_view candidate : {"==", "!=", "<=", ">=", "<", ">"}) {
            if (!rest.starts_with(candidate)) continue;
            comparison = candidate;
            break;
        }
        if (comparison.empty()) fail("expected ==, !=, <, <=, > or >= at \"" + brief(rest) + '"');
        rest.remove_prefix(comparison.size());
        const std::string_view suffix = take_while(rest, is_alphanumeric);
        if (!suffix.empty() && suffix != "level") {
            fail("expected no suffix or \"level\" in place of \"" + std::string(suffix) + '"');
        }
        skip_space(rest);
        if (!rest.starts_with('{')) {
            fail("expected {text} after " + std::string(comparison) + " at \"" + brief(rest) + '"');
        }
        const std::string_view right = take_enclosed(rest);
        skip_space(rest);
        if (!rest.empty() && rest.front() != '?' && rest.front() != ':') {
            fail("expected '?' or ':' at \"" + brief(rest) + '"');
        }
        Branches branches{"true", std::nullopt};
        if (!rest.empty()) branches = parse_branches(rest);
        const std::string left_value = expand(left, 0);
        const std::string right_value = expand(right, 0);
        const std::strong_ordering order = suffix.empty()
                                               ? compare(left_value, right_value)
                                               : parse_level(left_value) <=> parse_level(right_value);
        return choose(branches, holds(comparison, order), nesting);
    }

    // ?text, ?{text}, ?{text}:text, ?{text}:{text}, :text, :{text}
    Branches parse_branches(std::string_view rest) const {
        const char kind = rest.front();
        rest.remove_prefix(1);
        if (kind == ':') return {std::nullopt, parse_last_branch(rest)};
        std::string_view braced = rest;
        skip_space(braced);
        if (!braced.starts_with('{')) return {rest, std::nullopt};
        const std::string_view then = take_enclosed(braced);
        skip_space(braced);
        if (braced.empty()) return {then, std::nullopt};
        if (braced.front() != ':') fail("expected ':' at \"" + std::string(braced) + '"');
        return {then, parse_last_branch(braced.substr(1))};
    }

    // {text} with nothing after it. Without a leading brace: all of it, including white space.
    std::string_view parse_last_branch(std::string_view rest) const {
        std::string_view braced = rest;
        skip_space(braced);
        if (!braced.starts_with('{')) return rest;
        const std::string_view text = take_enclosed(braced);
        skip_space(braced);
        if (!braced.empty()) fail("unexpected text \"" + std::string(braced) + '"');
        return text;
    }

    std::string choose(const Branches& branches, bool condition, int nesting) {
        const std::optional<std::string_view>& branch = condition ? branches.then : branches.otherwise;
        return branch ? expand(*branch, nesting + 1) : std::string();
    }

    static bool holds(std::string_view comparison, std::strong_ordering order) {
        if (comparison == "==") return std::is_eq(order);
        if (comparison == "!=") return std::is_neq(order);
        if (comparison == "<=") return std::is_lteq(order);
        if (comparison == ">=") return std::is_gteq(order);
        if (comparison == "<") return std::is_lt(order);
        return std::is_gt(order);
    }

    // By number when both consist of digits alone, otherwise by bytes.
    std::strong_ordering compare(const std::string& left, const std::string& right) const {
        const auto is_number = [](const std::string& text) {
            return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
        };
        if (is_number(left) && is_number(right)) return parse_number(left) <=> parse_number(right);
        return left <=> right;
    }

    long long parse_number(const std::string& digits) const {
        long long number = 0;
        if (std::from_chars(digits.data(), digits.data() + digits.size(), number).ec != std::errc()) {
            fail("number out of range: " + digits);
        }
        return number;
    }

    Level parse_level(const std::string& text) const {
        // The limits of the packed form in which Postfix keeps a level.
        constexpr long long major_limit = (1LL << 43) - 1;
        constexpr long long minor_limit = 1023;
        std::string_view rest = text;
        const auto number = [&](long long limit) {
            skip_space(rest);
            if (rest.starts_with('+')) rest.remove_prefix(1);
            const std::string digits(take_while(rest, is_digit));
            if (!digits.empty()) {
                const long long value = parse_number(digits);
                if (value <= limit) return value;
            }
            fail("bad compatibility level \"" + text + "\", expected a form like 3, 3.6 or 3.6.1");
        };
        Level level{number(major_limit), 0, 0};
        if (rest.starts_with('.')) {
            rest.remove_prefix(1);
            std::get<1>(level) = number(minor_limit);
            if (rest.starts_with('.')) {
                rest.remove_prefix(1);
                std::get<2>(level) = number(minor_limit);
            }
        }
        if (!rest.empty())
            fail("bad compatibility level \"" + text + "\", expected a form like 3, 3.6 or 3.6.1");
        return level;
    }

    std::string_view whole_;
    const ParameterLookup& lookup_;
    int total_nesting_ = 0;
    int references_ = 0;  // followed so far
};

}  // namespace

std::string expand(std::string_view text, const ParameterLookup& lookup) {
    return Expander(text, lookup).expand(text, 0);
}

}  // namespace proxyd::config
