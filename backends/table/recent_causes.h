// Tells causes of failure apart for the log.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace proxyd::table {

// Keeps only a few causes: their text may hold data of a client, and no client shall fill the log.
class RecentCauses {
  public:
    // Numbers begin at 0. The same text has the same number, unless too many others have come in between.
    std::size_t number(std::string_view text) {
        text = text.substr(0, compared);
        const auto known = std::find(texts_.begin(), texts_.end(), text);
        if (known != texts_.end()) return static_cast<std::size_t>(known - texts_.begin());
        const auto free = next_;
        texts_[free] = text;
        next_ = (next_ + 1) % texts_.size();
        return free;
    }

  private:
    static constexpr std::size_t compared = 1000;  // bytes of each text, which may hold a long key

    std::array<std::string, 3> texts_;
    std::size_t next_ = 0;
};

}  // namespace proxyd::table
