// The last answers of one version of one table, with their age.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "backends/event/clock.h"
#include "backends/table/settings.h"

namespace proxyd::table {

struct CacheStats {
    std::size_t entries = 0;
    std::uint64_t hits = 0;    // lookups answered without the database
    std::uint64_t misses = 0;  // lookups that had to ask it
    std::uint64_t stale = 0;   // lookups that it could not answer, and this did
};

// Pure: time is handed in. Holds `size` answers at most, and as many KiB; those not used for longest make
// room. The age of an answer counts from the moment in which the database was asked, so it is never older
// than that.
class AnswerCache {
  public:
    struct Answer {
        std::string value;  // "": not found
        TimePoint asked;
    };

    // To be taken before the database is asked. An answer to a question from before a flush is not kept.
    struct Question {
        TimePoint asked;
        std::uint64_t flushes = 0;
    };

    explicit AnswerCache(const CacheSettings& settings) : settings_(settings) {}

    [[nodiscard]] Question question(TimePoint now) const { return {now, flushes_}; }

    // What may be answered without asking, or null. Valid until the next call of any of these.
    [[nodiscard]] const Answer* fresh(const std::string& key, TimePoint now);

    // What may be answered since nobody can be asked, or null.
    [[nodiscard]] const Answer* stale(const std::string& key, TimePoint now);

    // A definite answer: found or not found. It takes the place of an older one even when it is not one to be
    // kept.
    void keep(const std::string& key, const std::string& value, const Question& question);

    // Return how many answers are forgotten.
    std::size_t flush();
    std::size_t flush(const std::string& key);

    [[nodiscard]] CacheStats stats() const;

  private:
    struct Entry {
        std::string key;
        Answer answer;
    };
    using Entries = std::list<Entry>;

    [[nodiscard]] Duration fresh_for(const std::string& value) const {
        return value.empty() ? settings_.negative_ttl : settings_.ttl;
    }
    [[nodiscard]] const Answer* find(const std::string& key, TimePoint now, bool asked_in_vain);
    [[nodiscard]] static std::size_t bytes_of(const Entry& entry);
    void forget(Entries::iterator entry);

    CacheSettings settings_;
    Entries entries_;  // the one used last first
    std::unordered_map<std::string_view, Entries::iterator> by_key_;
    std::size_t bytes_ = 0;
    std::uint64_t flushes_ = 0;
    CacheStats stats_;
};

}  // namespace proxyd::table
