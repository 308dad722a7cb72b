#include "backends/sqlite/open_files.h"

#include <algorithm>
#include <utility>

#include <sys/resource.h>

#include "backends/sqlite/database.h"

namespace proxyd::sqlite {
namespace {

// A quarter of the descriptors is for databases, but no more than 512; a file in WAL mode takes three.
constexpr std::size_t share = 16;
constexpr std::size_t fewest = 4;
constexpr std::size_t enough = 128;

// A handle that is always in use stays open for this long while other databases wait.
constexpr std::chrono::milliseconds turn{50};

}  // namespace

std::size_t OpenFiles::most_for(std::size_t descriptors) {
    return std::clamp(descriptors / share, fewest, enough);
}

bool OpenFiles::full() const {
    rlimit limit{};
    const bool known = ::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
    return open_ >= (known ? most_for(limit.rlim_cur) : enough);
}

bool OpenFiles::open(const std::shared_ptr<Database>& database, TimePoint now) {
    if (line_.empty() && !full()) {
        ++open_;
        return true;
    }
    const bool waits = std::any_of(line_.begin(), line_.end(),
                                   [&database](const auto& one) { return one.lock() == database; });
    if (!waits) line_.push_back(database);
    make_room(now);
    return false;
}

void OpenFiles::next() {
    while (!full() && !line_.empty()) {
        const auto database = line_.front().lock();
        line_.pop_front();
        if (!database) continue;
        ++open_;
        if (!database->proceed()) --open_;
    }
}

void OpenFiles::make_room(TimePoint now) {
    if (line_.empty()) return;
    const auto first = line_.front().lock();
    std::size_t ending = 0;
    for (const auto* database : databases_) {
        for (const auto& worker : database->workers()) ending += worker->retiring() ? 1 : 0;
    }
    for (; ending < line_.size() && full(); ++ending) {
        Worker* victim = nullptr;
        const auto merit = [](const Worker& one) {
            return std::pair(!one.idle(), one.idle() ? one.used_at() : one.opened_at());
        };
        for (const auto* database : databases_) {
            if (database == first.get()) continue;
            for (const auto& worker : database->workers()) {
                const bool in_turn = !worker->idle() && now - worker->opened_at() < turn;
                if (worker->retiring() || in_turn) continue;
                if (victim == nullptr || merit(*worker) < merit(*victim)) victim = worker.get();
            }
        }
        if (victim == nullptr) return;
        victim->retire();
    }
}

}  // namespace proxyd::sqlite
