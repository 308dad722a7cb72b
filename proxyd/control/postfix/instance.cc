#include "proxyd/control/postfix/instance.h"

#include <filesystem>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "backends/config/list.h"
#include "backends/config/parameter_file.h"
#include "proxyd/control/postfix/scratch_directory.h"
#include "proxyd/postfix/program.h"

namespace proxyd::control {
namespace {

const std::vector<std::string> program_environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};

// The program has a process group of its own, so that Ctrl-C on the terminal does not interrupt it.
postfix::ProgramRun run(std::vector<std::string> words, bool join_errors = false) {
    postfix::Program program{std::move(words), program_environment, join_errors};
    program.own_group = true;
    return postfix::run_program(program);
}

}  // namespace

PostfixInstance::PostfixInstance(const std::string& config_directory, const postfix::MainCf& main_cf)
    : config_directory_(std::filesystem::absolute(config_directory).string()),
      command_directory_(main_cf.value("command_directory")),
      daemon_directory_(main_cf.value("daemon_directory")),
      proxymap_socket_(main_cf.value("queue_directory") + "/private/proxymap"),
      throttle_time_(main_cf.value("service_throttle_time")),
      layout_(postfix::layout_of(main_cf.mail_version())) {
    if (command_directory_.empty()) command_directory_ = "/usr/sbin";
}

// Asks master(8): `postfix status` would write a line to the mail log each time.
bool PostfixInstance::is_running() const {
    // It makes a session of its own. The leader of a process group cannot do that.
    const auto done = postfix::run_program(
        {{daemon_directory_ + "/master", "-c", config_directory_, "-t"}, program_environment});
    if (done.status < 0) {
        throw std::runtime_error(
            fmt::format("whether Postfix is running: {}/master -t: {}", daemon_directory_, done.fault));
    }
    return done.status != 0;
}

std::string PostfixInstance::reload() const {
    const auto done = run({command("postfix"), "-c", config_directory_, "reload"}, true);
    if (done.fault.empty()) return {};
    return fmt::format("postfix reload: {}: {}", done.fault, config::trim(done.output));
}

std::vector<std::string> PostfixInstance::table_types() const {
    const auto done = run({command("postconf"), "-c", config_directory_, "-m"});
    return done.fault.empty() ? config::split_list(done.output) : std::vector<std::string>{};
}

std::string PostfixInstance::edit(const std::string& master_cf,
                                  const std::vector<std::string>& entries) const {
    if (entries.empty()) return master_cf;
    const ScratchDirectory scratch;
    (void)scratch.write("main.cf", "");
    auto text = master_cf;
    // postconf would append the next entry to an unfinished line.
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
    const auto path = scratch.write("master.cf", text);
    std::vector<std::string> words = {command("postconf"), "-c", scratch.path(), "-M", "-e"};
    words.insert(words.end(), entries.begin(), entries.end());
    const auto done = run(std::move(words), true);
    if (!done.fault.empty()) {
        throw std::runtime_error(
            fmt::format("postconf -M -e: {}: {}", done.fault, config::trim(done.output)));
    }
    std::string error;
    auto edited = config::read_file(path, error);
    if (!edited) throw std::runtime_error(error);
    return std::move(*edited);
}

std::string unified_diff(const std::string& path, const std::string& before, const std::string& after) {
    const ScratchDirectory scratch;
    const auto done = run({"/usr/bin/diff", "-u", "--label", path, "--label", path,
                           scratch.write("before", before), scratch.write("after", after)});
    if (done.status > 1 || done.status < 0) return fmt::format("(no diff of {}: {})\n", path, done.fault);
    return done.output;
}

}  // namespace proxyd::control
