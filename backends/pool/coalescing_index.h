// Finds the waiting request that another lookup can share.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>
#include <vector>

#include "backends/pool/request.h"

namespace proxyd::pool {

// The waiting requests of one queue by their coalescing keys. It holds the requests themselves in chains, so
// it allocates only to grow. Whoever owns a request removes it before its end.
class CoalescingIndex {
  public:
    [[nodiscard]] Request* find(const Query& query) const {
        if (buckets_.empty()) return nullptr;
        const auto key = query.coalescing_key();
        const auto hash = hash_of(key);
        for (auto* one = buckets_[bucket(hash)]; one != nullptr; one = one->next_in_index) {
            if (one->index_hash == hash && one->query.statement == query.statement &&
                one->query.coalescing_key() == key)
                return one;
        }
        return nullptr;
    }

    [[nodiscard]] bool empty() const { return count_ == 0; }

    void add(Request& request) {
        if (count_ == buckets_.size()) grow();
        request.index_hash = hash_of(request.query.coalescing_key());
        request.indexed = true;
        ++count_;
        link(request);
    }

    // Does nothing if it is not here.
    void remove(Request& request) {
        if (!request.indexed) return;
        request.indexed = false;
        --count_;
        auto** place = &buckets_[bucket(request.index_hash)];
        while (*place != &request) place = &(*place)->next_in_index;
        *place = request.next_in_index;
    }

  private:
    static constexpr std::size_t least_buckets = 64;  // all sizes are powers of two

    [[nodiscard]] static std::size_t hash_of(std::string_view key) {
        return std::hash<std::string_view>{}(key);
    }
    [[nodiscard]] std::size_t bucket(std::size_t hash) const { return hash & (buckets_.size() - 1); }

    void link(Request& request) {
        auto*& first = buckets_[bucket(request.index_hash)];
        request.next_in_index = first;
        first = &request;
    }

    void grow() {
        std::vector<Request*> before(buckets_.empty() ? least_buckets : 2 * buckets_.size());
        before.swap(buckets_);
        for (auto* chain : before) {
            while (chain != nullptr) {
                auto* const next = chain->next_in_index;
                link(*chain);
                chain = next;
            }
        }
    }

    std::vector<Request*> buckets_;
    std::size_t count_ = 0;
};

}  // namespace proxyd::pool
