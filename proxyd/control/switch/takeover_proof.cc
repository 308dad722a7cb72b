#include "proxyd/control/switch/takeover_proof.h"

#include <algorithm>
#include <chrono>
#include <ostream>
#include <utility>

#include <fmt/format.h>

#include "proxyd/control/client/proxymap_connection.h"
#include "proxyd/control/client/query.h"
#include "proxyd/control/client/server_identity.h"
#include "proxyd/control/client/trial_lookup.h"

namespace proxyd::control {
namespace {

// Old processes may accept connections for a moment after a reload.
constexpr std::chrono::seconds proof_limit{15};
constexpr std::chrono::milliseconds proof_interval{200};

// For the switch back, which is complete whatever the result.
constexpr std::chrono::seconds stock_limit{5};
constexpr std::chrono::milliseconds greeting_limit{2000};

}  // namespace

TakeoverProof::TakeoverProof(const PostfixInstance& postfix, std::vector<std::string> tables,
                             std::ostream& out)
    : postfix_(postfix), tables_(std::move(tables)), out_(out) {}

// Returns "", or the reason why proxyd does not answer correctly.
std::string TakeoverProof::proxyd_fault(bool looks_up, const HeldSignals& signals) {
    const auto& socket = postfix_.proxymap_socket();
    const auto end = std::chrono::steady_clock::now() + proof_limit;
    std::string fault;
    do {
        ProxymapConnection connection(socket, "", {});
        connection.give_up_when_readable(signals.descriptor());
        try {
            const auto found = identify_server(connection, socket);
            if (found.kind == ServerKind::proxyd) {
                const auto lookup =
                    looks_up ? look_up(connection, tables_, postfix_.layout()) : "no lookup was tried";
                out_ << fmt::format("{}: proxyd {} answers (process {}); {}\n", socket,
                                    found.status.value("version", ""), found.status.value("process", 0),
                                    lookup);
                return {};
            }
            fault = fmt::format("{}: {} ({})", socket,
                                found.kind == ServerKind::another ? "another server than proxyd answers"
                                                                  : "no server answers",
                                found.problem);
        } catch (const QueryError& error) {
            if (!signals.came()) return fmt::format("proxyd answers, but a lookup fails: {}", error.what());
        }
        if (signals.wait(proof_interval)) return "interrupted";
    } while (std::chrono::steady_clock::now() < end);
    return fault;
}

// Returns "", or the reason why the stock server does not answer. A failed lookup is not its fault: a
// database may be down.
std::string TakeoverProof::stock_fault(const HeldSignals& signals) {
    const auto end = std::chrono::steady_clock::now() + stock_limit;
    const auto& socket = postfix_.proxymap_socket();
    const auto left = [end] {
        return std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    };
    while (left().count() > 0) {
        ProxymapConnection connection(socket, "", {});
        connection.give_up_at(end);
        const auto kind = identify_server(connection, socket, std::min(left(), greeting_limit)).kind;
        // The stock server does not greet before Postfix 3.6.
        if (kind != ServerKind::proxyd && connection.is_open()) {
            try {
                const auto lookup = look_up(connection, tables_, postfix_.layout());
                out_ << fmt::format("{}: the stock server answers; {}\n", socket, lookup);
                return {};
            } catch (const QueryError& error) {
                if (kind == ServerKind::another) {
                    out_ << fmt::format("{}: the stock server answers; warning: a lookup fails: {}\n", socket,
                                        error.what());
                    return {};
                }
            }
        }
        if (signals.wait(std::min(left(), proof_interval)))
            return "interrupted, the stock server has not answered yet";
    }
    return fmt::format(
        "the stock server has not answered within {} s: lookups may wait up to {} (service_throttle_time: "
        "master(8) waits before it starts a service again that failed); `postfix stop; postfix start` ends "
        "that; see the mail log",
        stock_limit.count(), postfix_.throttle_time());
}

}  // namespace proxyd::control
