// A finding of a check, in a form for people and editors.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "backends/report/secrets.h"

namespace proxyd::control {

enum class Gravity {
    note,  // worth knowing; not counted
    warning,
    error,
};

struct Finding {
    std::string file;
    int line = 0;  // 0: the file as a whole
    Gravity gravity = Gravity::error;
    std::string text;

    bool operator==(const Finding&) const = default;
};

// "/etc/postfix/proxyd.cf:3: error: text"; without the number when the line is 0. Always one line.
[[nodiscard]] std::string format(const Finding& finding);

// The findings of one check, in the order in which they were made. Duplicates are dropped. Text that looks
// like a password is hidden.
class Findings {
  public:
    // Hides these secrets in later findings about the file.
    void hide(const std::string& file, cluster::Secrets secrets);

    void error(std::string file, int line, std::string text);
    void warning(std::string file, int line, std::string text);
    void note(std::string file, int line, std::string text);

    [[nodiscard]] const std::vector<Finding>& all() const { return all_; }
    // Sorted by file, in the order of their first findings, then by line.
    [[nodiscard]] std::vector<Finding> in_order() const;
    [[nodiscard]] std::size_t count(Gravity gravity) const;

  private:
    void add(Finding finding);

    std::vector<Finding> all_;
    std::map<std::string, cluster::Secrets> secrets_;
};

}  // namespace proxyd::control
