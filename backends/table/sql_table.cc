#include "backends/table/sql_table.h"

#include <utility>

#include <fmt/format.h>

#include "backends/log.h"
#include "backends/table/key.h"

namespace proxyd::table {

using protocol::Status;

namespace {

// Of all tables, so that what is logged of one version does not hide what there is to say of the next.
unsigned long versions = 0;

}  // namespace

// One lookup on its way. Keeps its version of the table alive.
struct SqlTable::Job {
    Job(std::shared_ptr<const SqlTable> owner, std::string folded, KeyRules key_rules, Deadline until,
        LookupCallback done)
        : table(std::move(owner)),
          key(std::move(folded)),
          parts(key),
          rules(key_rules),
          deadline(until),
          callback(std::move(done)) {}

    void answer(LookupResult result) { callback(std::move(result)); }
    void answer(Status status) { callback({status, ""}); }

    std::shared_ptr<const SqlTable> table;
    std::string key;
    KeyParts parts;
    KeyRules rules;
    Deadline deadline;
    LookupCallback callback;
};

SqlTable::SqlTable(std::string name, SqlDefinition definition, TableSettings settings,
                   std::unique_ptr<QueryRunner> runner, NestedLookup nested)
    : name_(std::move(name)),
      topic_(fmt::format("{} version {}", name_, ++versions)),
      definition_(std::move(definition)),
      settings_(settings),
      runner_(std::move(runner)),
      nested_(std::move(nested)) {}

void SqlTable::lookup(std::string_view key, KeyRules rules, Deadline deadline,
                      LookupCallback callback) const {
    if (!is_utf8(key)) {
        if (rules.utf8) {
            log().warning(topic_ + " non-UTF-8 key",
                          fmt::format("{}: non-UTF-8 key \"{}\" -- not found", name_, key));
        }
        callback({Status::nokey, ""});
        return;
    }
    std::string folded = !rules.fold ? std::string(key) : rules.utf8 ? fold_utf8(key) : fold_ascii(key);
    if (folded.empty()) {
        log().warning(topic_ + " empty key", fmt::format("{}: empty query string -- ignored", name_));
        callback({Status::nokey, ""});
        return;
    }
    const auto job =
        std::make_shared<Job>(shared_from_this(), std::move(folded), rules, deadline, std::move(callback));
    if (definition_.domains.empty()) {
        ask(job);
    } else {
        filter(job);
    }
}

void SqlTable::filter(const std::shared_ptr<Job>& job) const {
    const auto domain = listed_domain(job->key);
    if (!domain) {
        job->answer(Status::nokey);
        return;
    }
    decide(job, definition_.domains.match(fold_utf8(*domain)));
}

void SqlTable::decide(const std::shared_ptr<Job>& job, const DomainMatch& match) const {
    switch (match.kind) {
        case DomainMatch::Kind::yes: ask(job); return;
        case DomainMatch::Kind::no: job->answer(Status::nokey); return;
        case DomainMatch::Kind::broken:
            log().warning(topic_ + " domain", fmt::format("{}: domain: {}", name_, match.reason));
            job->answer(Status::retry);
            return;
        case DomainMatch::Kind::ask: break;
    }
    const auto domain = fold_utf8(*listed_domain(job->key));
    nested_(match.table, domain, job->deadline, [this, job, match, domain](const LookupResult& result) {
        if (result.status == Status::ok || result.status == Status::nokey) {
            decide(job, definition_.domains.resume(domain, match.index, result.status == Status::ok));
            return;
        }
        log().warning(topic_ + " domain",
                      fmt::format("{}: domain: {}: table lookup problem", name_, match.table));
        job->answer(result.status == Status::config ? Status::config : Status::retry);
    });
}

void SqlTable::ask(const std::shared_ptr<Job>& job) const {
    if (!suits(job->parts, definition_.demands)) {
        job->answer(Status::nokey);
        return;
    }
    runner_->run(job->parts, job->deadline, [job](const pool::Outcome& outcome) {
        // The table that the job keeps alive is the one that runs this.
        job->table->collect(*job, outcome);
    });
}

void SqlTable::collect(Job& job, const pool::Outcome& outcome) const {
    if (!outcome.ok()) {
        log().warning(fmt::format("{} {}", topic_, pool::name(outcome.failure.kind)),
                      fmt::format("table {}: lookup error: {}", name_, outcome.failure.message));
        job.answer(Status::retry);
        return;
    }
    ResultCollector collector(definition_.result_format, job.parts, definition_.expansion_limit);
    const auto& rows = *outcome.rows;
    for (std::size_t row = 0; row < rows.rows(); ++row) {
        for (std::size_t column = 0; column < rows.columns(); ++column) {
            const auto cell = rows.cell(row, column);
            if (!cell) continue;
            switch (collector.add(*cell)) {
                case ResultCollector::Added::appended:
                case ResultCollector::Added::skipped: break;
                case ResultCollector::Added::empty_value:
                    log().warning(topic_ + " empty result",
                                  fmt::format("table \"{}\": empty lookup result for: \"{}\" -- ignored",
                                              name_, job.key));
                    break;
                case ResultCollector::Added::over_limit:
                    log().warning(
                        topic_ + " expansion limit",
                        fmt::format("table {}: Expansion limit exceeded for key: '{}'", name_, job.key));
                    job.answer(Status::retry);
                    return;
            }
        }
    }
    auto value = collector.take();
    if (value.empty()) {
        job.answer(Status::nokey);
    } else if (job.rules.utf8 && !is_utf8(value)) {
        log().warning(topic_ + " non-UTF-8 result",
                      fmt::format("table {}: key \"{}\": non-UTF-8 lookup result", name_, job.key));
        job.answer(Status::config);
    } else {
        job.answer({Status::ok, std::move(value)});
    }
}

}  // namespace proxyd::table
