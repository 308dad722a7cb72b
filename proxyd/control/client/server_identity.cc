#include "proxyd/control/client/server_identity.h"

#include "proxyd/channel/client.h"
#include "proxyd/channel/path.h"

namespace proxyd::control {
namespace {

constexpr std::chrono::milliseconds step{100};

}  // namespace

ServerIdentity identify_server(ProxymapConnection& connection, const std::string& socket,
                               std::chrono::milliseconds limit) {
    using Clock = std::chrono::steady_clock;
    ServerIdentity found;
    try {
        connection.open();
    } catch (const QueryDenied& error) {
        found.kind = ServerKind::unknown;
        found.problem = error.what();
        return found;
    } catch (const QueryError& error) {
        found.problem = error.what();
        return found;
    }
    const auto end = Clock::now() + limit;
    for (;;) {
        // A server that has greeted has accepted us: if it is proxyd, its status shows us from then on.
        const bool greeted = connection.wait_for_greeting(step);
        try {
            found.status = channel::ask(channel::path_beside(socket), {{"command", "status"}});
            if (found.status.value("serves_caller", false)) {
                found.kind = ServerKind::proxyd;
                found.problem.clear();
                return found;
            }
            found.problem = "the proxyd of the control socket does not serve this one";
        } catch (const channel::AskError& error) {
            found.problem = error.what();
            if (error.fault() == channel::AskFault::denied) {
                found.kind = ServerKind::unknown;
                return found;
            }
        }
        found.status = nullptr;
        if (greeted) {
            found.kind = ServerKind::another;
            return found;
        }
        if (!connection.is_open()) {
            found.problem = "the connection was closed";
            return found;
        }
        if (Clock::now() >= end) {
            found.problem = "the service does not greet, as it would since Postfix 3.6; " + found.problem;
            return found;
        }
    }
}

}  // namespace proxyd::control
