#include "proxyd/server/client_memory.h"

#include <algorithm>
#include <utility>

namespace proxyd::server {

void ClientMemory::holds(int client, std::size_t bytes, TimePoint now) {
    if (bytes <= small) {
        forget(client);
        return;
    }
    auto& holding = clients_[client];
    if (holding.bytes == 0) holding.since = now;
    held_ = held_ - holding.bytes + bytes;
    holding.bytes = bytes;
}

void ClientMemory::forget(int client) {
    const auto found = clients_.find(client);
    if (found == clients_.end()) return;
    held_ -= found->second.bytes;
    clients_.erase(found);
}

std::vector<int> ClientMemory::worst(TimePoint now) const {
    std::vector<std::pair<double, int>> all;
    all.reserve(clients_.size());
    for (const auto& [client, holding] : clients_) {
        // For clients that have begun at this moment the size decides.
        const std::chrono::duration<double> time = now - holding.since + std::chrono::milliseconds(1);
        all.emplace_back(static_cast<double>(holding.bytes) * time.count(), client);
    }
    std::sort(all.begin(), all.end(), std::greater<>());
    std::vector<int> clients;
    auto left = held_;
    for (const auto& [weight, client] : all) {
        if (left <= allowed() - allowed() / 8) break;
        left -= clients_.at(client).bytes;
        clients.push_back(client);
    }
    return clients;
}

bool ClientMemory::begin(std::size_t request_bytes) {
    // Each request exists twice: as received and as sent.
    if (request_bytes > small && 2 * (under_way_ + request_bytes) > limit_) return false;
    under_way_ += request_bytes;
    return true;
}

void ClientMemory::done(std::size_t request_bytes) {
    under_way_ -= request_bytes;
}

}  // namespace proxyd::server
