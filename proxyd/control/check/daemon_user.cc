#include "proxyd/control/check/daemon_user.h"

#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

namespace proxyd::control {
namespace {

// The same values as in proxyd.service.
constexpr const char* options_of_unit = "/etc/proxyd/proxyd.cf";
constexpr const char* user_of_unit = "proxyd";

DaemonUser with_group(master::Account account, std::string known_from) {
    // cppcheck-suppress getgrgidCalled ; nothing else runs here at that time
    const auto* known = getgrgid(account.gid);
    auto group = known != nullptr ? std::string(known->gr_name) : std::to_string(account.gid);
    return {std::move(account), std::move(group), std::move(known_from)};
}

}  // namespace

std::optional<DaemonUser> find_daemon_user(const ConfigLocation& place, const postfix::MainCf* main_cf) {
    if (place.user) {
        if (*place.user == "root") return std::nullopt;
        return with_group(master::find_account(*place.user, fmt::format("--user {}", *place.user)), "--user");
    }
    if (main_cf != nullptr)
        return with_group(master::find_account(main_cf->value("mail_owner")), "mail_owner");
    std::error_code ignored;
    if (std::filesystem::equivalent(place.options_path, options_of_unit, ignored) &&
        getpwnam(user_of_unit) != nullptr) {
        return with_group(master::find_account(user_of_unit, user_of_unit), "proxyd.service");
    }
    return std::nullopt;
}

}  // namespace proxyd::control
