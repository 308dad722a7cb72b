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
    std::uint64_t misses = 0;  // lookups that asked the database
    std::uint64_t stale = 0;   // lookups that the database could not answer and the cache did
};

// Pure: the caller passes the time. Holds `size` answers at most, and as many KiB; the answers not used for
// longest make room. The age of an answer counts from the query to the database, so the data is never older
// than that.
class AnswerCache {
  public:
    struct Answer {
        std::string value;  // "": not found
        TimePoint asked;
    };

    // Made before the database is asked. If a flush comes in between, the answer is not kept.
    struct Question {
        TimePoint asked;
        std::uint64_t flushes = 0;
    };

    explicit AnswerCache(const CacheSettings& settings) : settings_(settings) {}

    [[nodiscard]] Question question(TimePoint now) const { return {now, flushes_}; }

    // The answer that may be given without asking the database, or null. Valid until the next call of a
    // function of this class.
    [[nodiscard]] const Answer* fresh(const std::string& key, TimePoint now);

    // The answer that may be given because no host answers, or null.
    [[nodiscard]] const Answer* stale(const std::string& key, TimePoint now);

    // A definite answer: found or not found. It replaces an older one even if it is not to be kept itself.
    void keep(const std::string& key, const std::string& value, const Question& question);

    // Return the number of forgotten answers.
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
        return value.empty() ? settings_.cache_negative_ttl : settings_.cache_ttl;
    }
    [[nodiscard]] const Answer* find(const std::string& key, TimePoint now, bool asked_in_vain);
    [[nodiscard]] static std::size_t bytes_of(const Entry& entry);
    void forget(Entries::iterator entry);

    CacheSettings settings_;
    Entries entries_;  // the one used last comes first
    std::unordered_map<std::string_view, Entries::iterator> by_key_;
    std::size_t bytes_ = 0;
    std::uint64_t flushes_ = 0;
    CacheStats stats_;
};

}  // namespace proxyd::table
