#include "proxyd/daemon/open_log.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "backends/report/log.h"
#include "backends/report/trouble_log.h"
#include "proxyd/logging/line_format.h"

namespace proxyd {
namespace {

using master::DaemonArguments;
using master::Environment;
using master::RunMode;

// The value of this service in master.cf takes precedence over the one that master(8) passes to all services.
std::string log_tag(const DaemonArguments& arguments, const Environment& environment,
                    const postfix::MainCf& main_cf) {
    const bool given = std::any_of(arguments.overrides.begin(), arguments.overrides.end(),
                                   [](const auto& item) { return item.first == "syslog_name"; });
    const auto configured = main_cf.value("syslog_name");
    return given ? configured : environment.log_tag.value_or(configured);
}

}  // namespace

logging::DaemonLog& daemon_log() {
    static logging::DaemonLog log;
    return log;
}

bool is_under_master() {
    return std::getenv("GENERATION") != nullptr;
}

void open_first_log(int argc, const char* const* argv) {
    const std::string path = argc > 0 ? argv[0] : "proxyd";
    const auto process_name = path.substr(path.rfind('/') + 1);
    // The service name is not known yet. Administrators look for the usual name.
    const char* const usual_name = "proxymap";
    std::vector<std::shared_ptr<logging::LineSink>> sinks;
    const auto environment = master::read_environment([](const char* name) { return std::getenv(name); });
    const auto program = logging::program_name(environment.log_tag.value_or("postfix"), usual_name);
    if (!is_under_master()) {
        sinks.push_back(std::make_shared<logging::StreamSink>(process_name, false));
    } else if (environment.postlog_service) {
        sinks.push_back(std::make_shared<logging::PostlogSink>(
            program, logging::short_hostname(environment.postlog_hostname.value_or("localhost")),
            *environment.postlog_service));
    } else {
        sinks.push_back(std::make_shared<logging::SyslogSink>(program, *logging::facility_from_name("mail")));
    }
    daemon_log().set_sinks(std::move(sinks));
    daemon_log().set_verbose(environment.verbose);
    set_log(daemon_log());
    set_trouble_log(daemon_log());
}

void open_final_log(const DaemonArguments& arguments, const Environment& environment, const Site& site) {
    daemon_log().set_keep_utf8(site.smtputf8);
    daemon_log().set_repeat_interval(site.options.repeat_interval);
    if (arguments.mode != RunMode::master) return;
    const auto& main_cf = *site.main_cf;
    const auto program =
        logging::program_name(log_tag(arguments, environment, main_cf), arguments.service_name);
    std::vector<std::shared_ptr<logging::LineSink>> sinks;
    if (!main_cf.value("maillog_file").empty()) {
        const auto path = environment.postlog_service.value_or(fmt::format(
            "{}/public/{}", main_cf.value("queue_directory"), main_cf.value("postlog_service_name")));
        sinks.push_back(std::make_shared<logging::PostlogSink>(
            program, logging::short_hostname(main_cf.value("myhostname")), path));
    } else {
        const auto facility = logging::facility_from_name(main_cf.value("syslog_facility"));
        sinks.push_back(std::make_shared<logging::SyslogSink>(
            program, facility.value_or(*logging::facility_from_name("mail"))));
    }
    if (arguments.log_to_stderr) sinks.push_back(std::make_shared<logging::StreamSink>(program, false));
    daemon_log().set_sinks(std::move(sinks));
}

}  // namespace proxyd
