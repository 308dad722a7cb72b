#include "proxyd/control/switch/switch_over.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <ostream>
#include <stdexcept>

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/config/parameter_file.h"
#include "backends/table_types.h"
#include "proxyd/control/check/check.h"
#include "proxyd/control/check/options_check.h"
#include "proxyd/control/check/service_check.h"
#include "proxyd/control/postfix/master_cf.h"
#include "proxyd/control/postfix/master_cf_edit.h"
#include "proxyd/control/switch/directory_lock.h"
#include "proxyd/control/switch/file_replacement.h"

namespace proxyd::control {
namespace {

PostfixInstance instance_at(const ConfigLocation& place) {
    if (!place.has_main_cf || place.options_given) {
        throw std::runtime_error(
            fmt::format("there is no Postfix configured in {}: give --config DIRECTORY, where main.cf is",
                        place.directory));
    }
    return {place.directory, postfix::MainCf::load(place.directory, {})};
}

void require_root(bool dry_run) {
    if (!dry_run && geteuid() != 0) throw std::runtime_error("this changes master.cf: run it as root");
}

// postconf edits this text, and would lose the text after a null byte.
void refuse_null_byte(const std::string& path, const std::string& text) {
    const auto at = text.find('\0');
    if (at == std::string::npos) return;
    throw std::runtime_error(
        fmt::format("{}:{}: there is a null byte in this line; nothing was changed", path,
                    std::count(text.begin(), text.begin() + static_cast<long>(at), '\n') + 1));
}

std::string changed_meanwhile(const std::string& path) {
    return fmt::format("{} has been changed by somebody else meanwhile; nothing was changed here: try again",
                       path);
}

// Holds the lock for the whole change, so that the record of one change is not taken for that of another.
// Only root and mail_owner can open the directory of the socket; the configuration directory is open to all.
template <typename Change>
int alone(const std::string& path, const std::string& socket, Change change) {
    const DirectoryLock lock(std::filesystem::path(socket).parent_path().string());
    if (lock.taken_by_another()) {
        throw std::runtime_error(
            fmt::format("another proxyctl is changing {}: try again when it has ended", path));
    }
    return change();
}

bool runs_proxyd(const std::string& master_cf) {
    const auto services = read_services(master_cf);
    const auto* service = find_proxymap(services);
    return service != nullptr && service->command == "proxyd";
}

}  // namespace

SwitchOver::SwitchOver(const ConfigLocation& place, const master::Environment& environment, std::ostream& out)
    : place_(place),
      environment_(environment),
      out_(out),
      postfix_(instance_at(place)),
      master_cf_path_(std::filesystem::weakly_canonical(place.directory + "/master.cf").string()),
      before_path_(master_cf_path_ + ".before-proxyd"),
      with_path_(master_cf_path_ + ".with-proxyd") {}

std::string SwitchOver::read_master_cf() const {
    std::string error;
    auto text = config::read_file(master_cf_path_, error);
    if (!text) throw std::runtime_error(error);
    return std::move(*text);
}

int SwitchOver::enable(bool dry_run, Databases databases) {
    require_root(dry_run);
    databases_ = databases;
    if (dry_run) return enable_locked(dry_run);
    return alone(master_cf_path_, postfix_.proxymap_socket(), [this] { return enable_locked(false); });
}

int SwitchOver::enable_locked(bool dry_run) {
    const auto original = read_master_cf();
    refuse_null_byte(master_cf_path_, original);
    const auto options = options_in_force(place_);
    auto prospect = place_;
    prospect.master_cf_text = postfix_.edit(original, entries_for_proxyd(original, options.relay_service));
    const auto& wanted = *prospect.master_cf_text;
    if (wanted == original) out_ << fmt::format("{}: proxyd is enabled already\n", master_cf_path_);
    if (!passes_check(prospect)) return refuse_enabling(original, wanted, dry_run);
    tables_ = check(prospect, environment_, false);
    if (!tables_.in_use) {
        out_ << fmt::format(
            "{}: warning: nothing here or in master.cf asks for a table of a type that proxyd serves "
            "(proxy:{}:): "
            "nothing uses proxyd yet\n",
            place_.directory + "/main.cf", fmt::join(sql_table_types(), ":, proxy:"));
    }
    if (wanted == original) return dry_run || !postfix_.is_running() ? 0 : prove_again();
    show_change(original, wanted);
    if (dry_run) {
        out_ << "dry run: nothing was changed\n";
        return 0;
    }
    const HeldSignals signals;
    // The record is written first, so that the change can be undone at any time.
    if (!runs_proxyd(original)) write_record(original, wanted);
    if (!replace_unchanged(master_cf_path_, original, wanted)) {
        if (!runs_proxyd(original)) forget_record();
        throw std::runtime_error(changed_meanwhile(master_cf_path_));
    }
    return take_effect(original, wanted, signals);
}

// After a check with errors. Returns the exit status.
int SwitchOver::refuse_enabling(const std::string& original, const std::string& wanted, bool dry_run) {
    if (dry_run && wanted != original) show_change(original, wanted);
    out_ << (dry_run ? "dry run: nothing was changed, nor would be: " : "nothing was changed: ")
         << "correct the errors above first"
         << (databases_ == Databases::asked ? ", or, if they are only about databases that are down now, use "
                                              "--no-connect\n"
                                            : "\n");
    return 1;
}

void SwitchOver::show_change(const std::string& original, const std::string& wanted) {
    out_ << unified_diff(master_cf_path_, original, wanted);
    if (const auto columns = changed_columns(original); !columns.empty()) out_ << columns << '\n';
}

int SwitchOver::prove_again() {
    const HeldSignals signals;
    const auto fault = takeover_proof().proxyd_fault(databases_ == Databases::asked, signals);
    if (fault.empty()) return 0;
    out_ << fault << (signals.came() ? "\n" : "; `postfix reload` may be missing\n");
    return 1;
}

int SwitchOver::take_effect(const std::string& original, const std::string& wanted,
                            const HeldSignals& signals) {
    if (!postfix_.is_running()) {
        out_ << fmt::format(
            "proxyd is enabled, and will answer when Postfix is started: it is not running{}\n", idle_text());
        return 0;
    }
    std::string fault;
    try {
        fault = postfix_.reload();
        if (fault.empty()) fault = takeover_proof().proxyd_fault(databases_ == Databases::asked, signals);
    } catch (const std::exception& error) {
        fault = error.what();
    }
    if (!fault.empty()) {
        out_ << fault << '\n';
        roll_back(original, wanted, signals);
        return 1;
    }
    out_ << fmt::format("proxyd is enabled{}. To go back: proxyctl disable\n", idle_text());
    return 0;
}

void SwitchOver::roll_back(const std::string& original, const std::string& wanted,
                           const HeldSignals& signals) {
    std::string current;
    std::string restored;
    do {
        current = read_master_cf();
        restored = entries_restored(current, original, wanted);
    } while (!replace_unchanged(master_cf_path_, current, restored));
    if (!runs_proxyd(original)) forget_record();
    const auto trouble = postfix_.reload();
    out_ << fmt::format(
        "rolled back: {} {}{}\n", master_cf_path_,
        restored == original
            ? "is as it was"
            : "has been edited meanwhile: that stays, and the entries of proxyd are as they were",
        trouble.empty() ? "" : ", but " + trouble);
    if (trouble.empty()) (void)prove_stock(signals);
}

std::string SwitchOver::idle_text() const {
    return tables_.in_use ? "" : ", but nothing uses it yet: see the warning above";
}

int SwitchOver::disable(bool dry_run) {
    require_root(dry_run);
    if (dry_run) return disable_locked(dry_run);
    return alone(master_cf_path_, postfix_.proxymap_socket(), [this] { return disable_locked(false); });
}

int SwitchOver::disable_locked(bool dry_run) {
    const auto current = read_master_cf();
    refuse_null_byte(master_cf_path_, current);
    const auto options = options_in_force(place_);
    const std::vector<std::string> relays = {options.relay_service, options.relay_write_service};
    if (entries_for_stock(current, relays).set.empty()) {
        out_ << fmt::format("{}: proxyd is not enabled; nothing was changed\n", master_cf_path_);
        return 0;
    }
    std::string error;
    const auto before = config::read_file(before_path_, error);
    const auto with = config::read_file(with_path_, error);
    const bool recorded = before && with;
    const auto wanted = stock_text(recorded ? entries_restored(current, *before, *with) : current,
                                   recorded ? *before : "", relays);
    out_ << unified_diff(master_cf_path_, current, wanted);
    if (!recorded) {
        out_ << fmt::format("{} does not exist, so that the entry becomes that of a new Postfix\n",
                            before_path_);
    } else if (wanted != *before) {
        out_ << "master.cf has been edited since proxyd was enabled: only its own entries change\n";
    }
    if (dry_run) {
        out_ << "dry run: nothing was changed\n";
        return 0;
    }
    const HeldSignals signals;
    if (!replace_unchanged(master_cf_path_, current, wanted))
        throw std::runtime_error(changed_meanwhile(master_cf_path_));
    forget_record();
    if (!postfix_.is_running()) {
        out_ << "proxyd is disabled, and the stock server will answer when Postfix is started: it is not "
                "running\n";
        return 0;
    }
    const auto fault = postfix_.reload();
    out_ << (fault.empty() ? "proxyd is disabled\n" : fault + '\n');
    if (!fault.empty()) return 1;
    tables_ = check(place_, environment_, false);
    return prove_stock(signals) ? 0 : 1;
}

// Gives entries that still run proxyd back to the stock server, after the record has been applied. `before`
// is the text in the record.
std::string SwitchOver::stock_text(const std::string& master_cf, const std::string& before,
                                   const std::vector<std::string>& relays) const {
    const auto entries = entries_for_stock(master_cf, relays);
    const auto kept = entries_for_stock(before, relays).remove;
    auto wanted = postfix_.edit(master_cf, entries.set);
    for (const auto& key : entries.remove) {
        if (std::find(kept.begin(), kept.end(), key) == kept.end()) wanted = without_entry(wanted, key);
    }
    return wanted;
}

void SwitchOver::write_record(const std::string& original, const std::string& wanted) const {
    replace_file(before_path_, original, master_cf_path_);
    replace_file(with_path_, wanted, master_cf_path_);
}

void SwitchOver::forget_record() const {
    std::error_code ignored;
    std::filesystem::remove(before_path_, ignored);
    std::filesystem::remove(with_path_, ignored);
}

// Runs the check in a process of its own, because it gives up its privileges for good.
bool SwitchOver::passes_check(const ConfigLocation& prospect) {
    out_.flush();
    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("cannot fork");
    if (child == 0) {
        int status = 1;
        try {
            const bool connect = databases_ == Databases::asked;
            status = report(check(prospect, environment_, connect), connect, out_);
        } catch (const std::exception& error) {
            out_ << "error: " << error.what() << '\n';
        }
        out_.flush();
        _exit(status);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Reports whether the stock server answers. master(8) may not have started it yet: after a failure it delays
// the restart of a service, even through a reload.
bool SwitchOver::prove_stock(const HeldSignals& signals) {
    if (signals.came()) {
        out_ << "interrupted: whether the stock server answers has not been looked at\n";
        return false;
    }
    const auto services = read_services(read_master_cf());
    if (find_proxymap(services) == nullptr) {
        out_ << fmt::format("{} has no entry for proxymap, as before proxyd was enabled\n", master_cf_path_);
        return true;
    }
    const auto fault = takeover_proof().stock_fault(signals);
    if (fault.empty()) return true;
    out_ << fault << '\n';
    return false;
}

TakeoverProof SwitchOver::takeover_proof() {
    return {postfix_, tables_.reading_tables, out_};
}

}  // namespace proxyd::control
