#include "backends/table/sql_table.h"

#include <atomic>
#include <utility>

#include <fmt/format.h>

#include "backends/config/byte_count.h"
#include "backends/event/recycling_allocator.h"
#include "backends/pool/large_memory.h"
#include "backends/report/excerpt.h"
#include "backends/report/log.h"
#include "backends/sql/folding.h"

namespace proxyd::table {

using protocol::Status;

namespace {

// The bytes of all values with separators, and of the end of a reply.
std::size_t bytes_of(const pool::Rows& rows) {
    std::size_t bytes = 2;
    for (std::size_t row = 0; row < rows.rows(); ++row) {
        for (std::size_t column = 0; column < rows.columns(); ++column) {
            if (const auto cell = rows.cell(row, column)) bytes += cell->size() + 1;
        }
    }
    return bytes;
}

// Adds the values up to the first one that ends the lookup, and tells how it ends. Counts the empty values.
std::optional<sql::ResultCollector::Added> add_all(const pool::Rows& rows, sql::ResultCollector& collector,
                                                   std::size_t& empty) {
    using Added = sql::ResultCollector::Added;
    for (std::size_t row = 0; row < rows.rows(); ++row) {
        for (std::size_t column = 0; column < rows.columns(); ++column) {
            const auto cell = rows.cell(row, column);
            if (!cell) continue;
            const auto added = collector.add(*cell);
            if (added == Added::empty_value) ++empty;
            if (added == Added::over_limit || added == Added::too_large) return added;
        }
    }
    return std::nullopt;
}

// Counted over all tables, so that log lines of one version do not hide those of the next.
std::atomic<unsigned long> versions = 0;

}  // namespace

// One lookup under way. Keeps its version of the table alive.
struct SqlTable::Job {
    Job(std::shared_ptr<const SqlTable> owner, std::string folded, KeyRules key_rules, Deadline until,
        LookupCallback&& done)
        : table(std::move(owner)),
          key(std::move(folded)),
          rules(key_rules),
          deadline(until),
          callback(std::move(done)) {}

    // The end of the lookup, whatever ends it. The query may still be under way, and keeps the job for its
    // key.
    void end(Status status, std::string value = {}) {
        std::exchange(callback, nullptr)({status, std::move(value), source, failure});
    }

    std::shared_ptr<const SqlTable> table;
    sql::Key key;
    KeyRules rules;
    Deadline deadline;
    LookupCallback callback;
    AnswerCache::Question question;  // to the database
    Source source = Source::table;   // of the result, as far as the lookup has come
    std::optional<pool::FailureClass> failure{};
};

SqlTable::SqlTable(Loop& loop, std::string name, SqlDefinition definition, TableSettings settings,
                   std::unique_ptr<QueryRunner> runner, NestedLookup nested, RoomForAnswer has_room)
    : loop_(loop),
      name_(std::move(name)),
      topic_(fmt::format("{} version {}", name_, ++versions)),
      definition_(std::move(definition)),
      settings_(settings),
      runner_(std::move(runner)),
      nested_(std::move(nested)),
      has_room_(std::move(has_room)) {
    // A query that writes must reach the database every time.
    if (settings_.keeps_answers() && !definition_.analysis.may_write) {
        cache_ = std::make_unique<AnswerCache>(settings_);
    }
}

void SqlTable::lookup(std::string_view key, KeyRules rules, Deadline deadline,
                      LookupCallback&& callback) const {
    const bool valid = sql::is_utf8(key);
    std::string folded = !valid || !rules.fold ? std::string(key)
                         : rules.utf8          ? sql::fold_utf8(key)
                                               : sql::fold_ascii(key);
    const auto job =
        make_recycled<Job>(shared_from_this(), std::move(folded), rules, deadline, std::move(callback));
    if (!valid) {
        if (rules.utf8) {
            log().warning(topic_ + " non-UTF-8 key",
                          fmt::format("{}: non-UTF-8 key \"{}\" -- not found", name_, excerpt(key)));
        }
        job->end(Status::nokey);
        return;
    }
    if (job->key.text().empty()) {
        log().warning(topic_ + " empty key", fmt::format("{}: empty query string -- ignored", name_));
        job->end(Status::nokey);
        return;
    }
    if (definition_.domains.empty()) {
        ask(job);
    } else {
        filter(job);
    }
}

void SqlTable::filter(const std::shared_ptr<Job>& job) const {
    const auto domain = listed_domain(job->key.text());
    if (!domain) {
        job->end(Status::nokey);
        return;
    }
    decide(job, definition_.domains.match(definition_.domains.folded(*domain)));
}

void SqlTable::decide(const std::shared_ptr<Job>& job, const DomainMatch& match) const {
    switch (match.kind) {
        case DomainMatch::Kind::yes: ask(job); return;
        case DomainMatch::Kind::no: job->end(Status::nokey); return;
        case DomainMatch::Kind::broken:
            log().warning(topic_ + " domain", fmt::format("{}: domain: {}", name_, match.reason));
            job->end(Status::retry);
            return;
        case DomainMatch::Kind::ask: break;
    }
    const auto domain = definition_.domains.folded(*listed_domain(job->key.text()));
    nested_(match.table, domain, job->deadline, [this, job, match, domain](const LookupResult& result) {
        if (result.status == Status::ok || result.status == Status::nokey) {
            decide(job, definition_.domains.resume(domain, match.index, result.status == Status::ok));
            return;
        }
        log().warning(topic_ + " domain",
                      fmt::format("{}: domain: {}: table lookup problem", name_, match.table));
        job->end(result.status == Status::config ? Status::config : Status::retry);
    });
}

void SqlTable::ask(const std::shared_ptr<Job>& job) const {
    if (!sql::suits(job->key.parts(), definition_.demands)) {
        job->end(Status::nokey);
        return;
    }
    if (cache_) {
        if (const auto* known = cache_->fresh(job->key.text(), loop_.now())) {
            job->source = Source::memory;
            deliver(*job, known->value);
            return;
        }
        job->question = cache_->question(loop_.now());
    }
    job->source = Source::database;
    runner_->run({job, &job->key}, job->deadline, [job](const pool::Outcome& outcome) {
        // The job has kept the table alive, and the table runs this. From now on it does not: a query that is
        // still under way at its deadline keeps the job, and the table keeps the queries.
        const auto table = std::move(job->table);
        table->collect(*job, outcome);
    });
}

void SqlTable::collect(Job& job, const pool::Outcome& outcome) const {
    if (!outcome.ok()) {
        fail(job, outcome.failure);
        return;
    }
    sql::ResultCollector collector(definition_.result_format, job.key.parts(), definition_.expansion_limit,
                                   settings_.answer_size_limit);
    const auto& rows = *outcome.rows;
    if (const auto bytes = bytes_of(rows); bytes > protocol::long_value) {
        if (!has_room_(bytes)) {
            job.end(Status::retry);
            return;
        }
        if (bytes > large_answer) expect_large_answer(bytes);
        // At once: each step of growth would copy the value.
        collector.expect(bytes);
    }
    std::size_t empty = 0;
    const auto stopped = add_all(rows, collector, empty);
    if (empty > 0) {
        log().warning(
            topic_ + " empty result",
            fmt::format("table \"{}\": empty lookup result for: \"{}\" -- {}", name_, excerpt(job.key.text()),
                        empty == 1 ? "ignored" : fmt::format("ignored, {} of them", empty)));
    }
    if (stopped == sql::ResultCollector::Added::too_large) {
        too_large(job);
        return;
    }
    if (stopped == sql::ResultCollector::Added::over_limit) {
        log().warning(
            topic_ + " expansion limit",
            fmt::format("table {}: Expansion limit exceeded for key: '{}'", name_, excerpt(job.key.text())));
        job.end(Status::retry);
        return;
    }
    auto value = collector.take();
    // A value that one client refuses is not kept, even if another client would accept it.
    if (cache_ && sql::is_utf8(value)) cache_->keep(job.key.text(), value, job.question);
    deliver(job, std::move(value));
}

void SqlTable::too_large(Job& job) const {
    log().warning(topic_ + " too large",
                  fmt::format("table {}: the answer is larger than answer_size_limit, {} -- the lookup gets "
                              "\"try again later\"; correct the query, or raise answer_size_limit",
                              name_, config::byte_count_text(settings_.answer_size_limit)));
    job.failure = pool::FailureClass::too_large;
    job.end(Status::retry);
}

void SqlTable::fail(Job& job, const pool::Failure& failure) const {
    job.failure = failure.kind;
    if (failure.kind == pool::FailureClass::too_large) {
        too_large(job);
        return;
    }
    const auto* known = cache_ && pool::is_trouble_with_hosts(failure.kind)
                            ? cache_->stale(job.key.text(), loop_.now())
                            : nullptr;
    if (known == nullptr) {
        log().warning(
            fmt::format("{} {} {}", topic_, pool::name(failure.kind), causes_.number(failure.message)),
            fmt::format("table {}: lookup error: {}", name_, failure.message));
        job.end(Status::retry);
        return;
    }
    job.source = Source::stale;
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(loop_.now() - known->asked);
    log().warning(topic_ + " stale",
                  fmt::format("table {}: lookup error: {} -- the last known answer is given (stale_ttl), "
                              "{} s old",
                              name_, failure.message, age.count()));
    deliver(job, known->value);
}

// "": not found.
void SqlTable::deliver(Job& job, std::string value) const {
    if (value.empty()) {
        job.end(Status::nokey);
    } else if (job.rules.utf8 && !sql::is_utf8(value)) {
        log().warning(
            topic_ + " non-UTF-8 result",
            fmt::format("table {}: key \"{}\": non-UTF-8 lookup result", name_, excerpt(job.key.text())));
        job.end(Status::config);
    } else {
        job.end(Status::ok, std::move(value));
    }
}

std::optional<CacheStats> SqlTable::cache_stats() const {
    if (!cache_) return std::nullopt;
    return cache_->stats();
}

std::size_t SqlTable::flush(std::optional<std::string_view> key) const {
    if (!cache_) return 0;
    if (!key) return cache_->flush();
    if (!sql::is_utf8(*key)) return 0;
    std::size_t count = 0;
    for (const auto& folded : {std::string(*key), sql::fold_ascii(*key), sql::fold_utf8(*key)}) {
        count += cache_->flush(folded);
    }
    return count;
}

}  // namespace proxyd::table
