#include "proxyd/control/postfix_instance.h"

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <stdlib.h>

#include "backends/config/list.h"
#include "backends/config/parameter_file.h"
#include "proxyd/postfix/program.h"

namespace proxyd::control {
namespace {

using postfix::run_program;

const std::vector<std::string> environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};

// Removed with what is in it.
class ScratchDirectory {
  public:
    ScratchDirectory() {
        path_ = (std::filesystem::temp_directory_path() / "proxyctl-XXXXXX").string();
        if (mkdtemp(path_.data()) == nullptr)
            throw std::runtime_error(fmt::format("cannot make a directory like {}", path_));
    }
    ~ScratchDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }

    std::string write(const char* name, const std::string& text) const {
        const auto path = fmt::format("{}/{}", path_, name);
        std::ofstream file(path, std::ios::binary);
        if (!(file << text) || !file.flush()) throw std::runtime_error(fmt::format("cannot write {}", path));
        return path;
    }

  private:
    std::string path_;
};

}  // namespace

PostfixInstance::PostfixInstance(const std::string& config_directory, const postfix::MainCf& main_cf)
    : config_directory_(std::filesystem::absolute(config_directory).string()),
      command_directory_(main_cf.value("command_directory")),
      proxymap_socket_(main_cf.value("queue_directory") + "/private/proxymap"),
      throttle_time_(main_cf.value("service_throttle_time")) {
    if (command_directory_.empty()) command_directory_ = "/usr/sbin";
}

bool PostfixInstance::is_running() const {
    return run_program({{command("postfix"), "-c", config_directory_, "status"}, environment}).status == 0;
}

std::string PostfixInstance::reload() const {
    const auto run =
        run_program({{command("postfix"), "-c", config_directory_, "reload"}, environment, true});
    if (run.fault.empty()) return {};
    return fmt::format("postfix reload: {}: {}", run.fault, config::trim(run.output));
}

std::vector<std::string> PostfixInstance::table_types() const {
    const auto run = run_program({{command("postconf"), "-c", config_directory_, "-m"}, environment});
    return run.fault.empty() ? config::split_list(run.output) : std::vector<std::string>{};
}

std::string PostfixInstance::edit(const std::string& master_cf,
                                  const std::vector<std::string>& entries) const {
    if (entries.empty()) return master_cf;
    const ScratchDirectory scratch;
    (void)scratch.write("main.cf", "");
    auto text = master_cf;
    // postconf would write the next entry onto an unfinished line.
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
    const auto path = scratch.write("master.cf", text);
    std::vector<std::string> words = {command("postconf"), "-c", scratch.path(), "-M", "-e"};
    words.insert(words.end(), entries.begin(), entries.end());
    const auto run = run_program({std::move(words), environment, true});
    if (!run.fault.empty()) {
        throw std::runtime_error(fmt::format("postconf -M -e: {}: {}", run.fault, config::trim(run.output)));
    }
    std::string error;
    auto edited = config::read_file(path, error);
    if (!edited) throw std::runtime_error(error);
    return std::move(*edited);
}

std::string unified_diff(const std::string& path, const std::string& before, const std::string& after) {
    const ScratchDirectory scratch;
    const auto run = run_program({{"/usr/bin/diff", "-u", "--label", path, "--label", path,
                                   scratch.write("before", before), scratch.write("after", after)},
                                  environment});
    if (run.status > 1 || run.status < 0) return fmt::format("(no diff of {}: {})\n", path, run.fault);
    return run.output;
}

}  // namespace proxyd::control
