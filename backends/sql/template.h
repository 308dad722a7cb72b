// The query and result_format templates of pgsql_table(5), mysql_table(5) and sqlite_table(5).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace proxyd::sql {

enum class Specifier : std::uint8_t {
    value,       // %s
    user,        // %u
    domain,      // %d
    key,         // %S
    key_user,    // %U
    key_domain,  // %D
    label,       // %1 ... %9: the n-th label of the key's domain, counted from the right
};

struct TemplatePart {
    std::string text;                    // literal text before the specifier ("%%" already is "%")
    std::optional<Specifier> specifier;  // follows the text, when set
    int label = 0;                       // 1 ... 9 with Specifier::label
};

// A parsed template: parts in order.
struct Template {
    std::string source;
    std::vector<TemplatePart> parts;
};

// Parses a template. No value, and `error` gives the reason, for '%' followed by another character than s u d
// S U D 1-9 %, or a '%' at the end. `at` gets the position of that '%'.
[[nodiscard]] std::optional<Template> parse_template(std::string_view source, std::string& error,
                                                     std::size_t* at = nullptr);

// The demands of both templates together on a key; keys that do not meet them are "not found" without a
// query.
struct KeyDemands {
    bool domain = false;  // '@' and a non-empty domain
    bool user = false;    // not an empty local part before '@'
    int labels = 0;       // at least this many non-empty labels in the domain
};
[[nodiscard]] KeyDemands key_demands(const Template& query, const Template& result_format);

// A key taken apart once per lookup. The views point into the key.
class KeyParts {
  public:
    explicit KeyParts(std::string_view key);

    // The `number`-th label of the domain, 1 ... 9, counted from the right; empty labels are skipped. "" when
    // there are fewer labels. The first call finds all labels: a key may be long, and each row of an answer
    // may use them.
    [[nodiscard]] std::string_view label(int number) const;

    std::string_view key;
    std::string_view user;
    std::string_view domain;
    bool has_at = false;

  private:
    mutable std::array<std::string_view, 9> labels_;
    mutable bool labels_known_ = false;
};

// A folded key with its parts, which point into its text. It is neither copied nor moved.
class Key {
  public:
    explicit Key(std::string text) : text_(std::move(text)), parts_(text_) {}
    Key(const Key&) = delete;
    Key& operator=(const Key&) = delete;

    [[nodiscard]] const std::string& text() const { return text_; }
    [[nodiscard]] const KeyParts& parts() const { return parts_; }

  private:
    std::string text_;
    KeyParts parts_;
};

// A key on its own. That of a lookup is a part of the lookup.
[[nodiscard]] inline std::shared_ptr<const Key> make_key(std::string text) {
    return std::make_shared<const Key>(std::move(text));
}

// Whether the key meets the demands. False: the lookup is suppressed. An empty key never suits.
[[nodiscard]] bool suits(const KeyParts& key, const KeyDemands& demands);

// The text for a specifier of the query template. Only for keys that suit.
[[nodiscard]] std::string_view query_value(const KeyParts& key, const TemplatePart& part);

using Quote =
    std::function<bool(std::string_view value, std::string& out)>;  // appends; false: cannot be quoted

// Writes the query text with every specifier quoted to `text`, whose memory is used again. False: `quote` has
// failed.
[[nodiscard]] bool write_query(const Template& query, const KeyParts& key, const Quote& quote,
                               std::string& text);

// The same as a new text. No value when `quote` fails.
[[nodiscard]] std::optional<std::string> expand_query(const Template& query, const KeyParts& key,
                                                      const Quote& quote);

// Collects the values of all rows into the answer.
class ResultCollector {
  public:
    enum class Added { appended, skipped, empty_value, over_limit, too_large };

    // `expansion_limit` <= 0: no limit. `most_bytes` is the limit of the whole answer. The template and the
    // key must outlive the collector.
    ResultCollector(const Template& result_format, const KeyParts& key, int expansion_limit,
                    std::size_t most_bytes)
        : format_(result_format),
          key_(key),
          limit_(expansion_limit),
          most_bytes_(most_bytes),
          gives_values_alone_(gives_values_alone(result_format)) {}

    // One column value that is not NULL. over_limit (too many values), too_large: the lookup answers retry.
    [[nodiscard]] Added add(std::string_view value);

    // Reserves memory: the answer will take about this many bytes.
    void expect(std::size_t bytes) { result_.reserve(bytes); }

    [[nodiscard]] std::string take() { return std::move(result_); }

  private:
    // Whether the format is "%s", as that of most tables.
    [[nodiscard]] static bool gives_values_alone(const Template& format) {
        return format.parts.size() == 1 && format.parts.front().text.empty() &&
               format.parts.front().specifier == Specifier::value;
    }
    void append_formatted(std::string_view value, std::string_view user, std::string_view domain);

    const Template& format_;
    const KeyParts& key_;
    int limit_;
    std::size_t most_bytes_;
    bool gives_values_alone_;
    int count_ = 0;
    std::string result_;
};

}  // namespace proxyd::sql
