#include <cstdio>
#include <exception>
#include <string>

#include <unistd.h>

#include "backends/report/log.h"
#include "proxyd/daemon/daemon.h"
#include "proxyd/daemon/open_log.h"
#include "proxyd/master/arguments.h"

namespace {

constexpr int wrong_usage = 2;

}  // namespace

int main(int argc, char** argv) {
    using proxyd::master::RunMode;
    try {
        proxyd::open_first_log(argc, argv);
        const auto arguments = proxyd::master::parse_arguments(argc, argv);
        if (arguments.mode == RunMode::help) {
            std::fputs(std::string(proxyd::master::usage()).c_str(), stdout);
            return 0;
        }
        if (arguments.mode == RunMode::version) {
            std::puts("proxyd " PROXYD_VERSION);
            return 0;
        }
        proxyd::master::refuse_terminal(arguments, isatty(STDIN_FILENO) != 0);
        return proxyd::run_daemon(arguments);
    } catch (const proxyd::master::UsageWanted& usage) {
        std::fputs(usage.what(), stderr);
        return wrong_usage;
    } catch (const proxyd::master::UsageError& error) {
        const bool by_hand = !proxyd::is_under_master();
        proxyd::log().write(proxyd::Severity::fatal, {},
                            std::string(error.what()) + (by_hand ? "; see proxyd --help" : ""));
        return by_hand ? wrong_usage : 1;
    } catch (const std::exception& error) {
        proxyd::log().write(proxyd::Severity::fatal, {}, error.what());
        return 1;
    }
}
