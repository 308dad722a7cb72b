#include "proxyd/master/privileges.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <system_error>

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

namespace proxyd::master {
namespace {

void check(int result, const std::string& call) {
    if (result != 0) {
        throw std::system_error(errno, std::generic_category(), call);
    }
}

}  // namespace

Account find_account(const std::string& name, std::string label) {
    if (label.empty()) label = fmt::format("mail_owner = {}", name);
    errno = 0;
    const passwd* entry = ::getpwnam(name.c_str());
    if (entry == nullptr) {
        const bool absent = errno == 0 || errno == ENOENT;
        throw std::runtime_error(
            fmt::format("{}: {}", label, absent ? "no such user" : std::generic_category().message(errno)));
    }
    if (entry->pw_uid == 0 || entry->pw_gid == 0) {
        throw std::runtime_error(fmt::format("{}: has the user or group rights of root, refused", label));
    }
    return {name, entry->pw_uid, entry->pw_gid};
}

void enter_chroot(const std::string& directory) {
    check(::chroot(directory.c_str()), fmt::format("chroot({})", directory));
    check(::chdir("/"), fmt::format("chdir(/) in chroot {}", directory));
}

void drop_privileges(const Account& account, const std::optional<std::string>& chroot_directory) {
    check(::setgid(account.gid), fmt::format("setgid({})", account.gid));
    check(::initgroups(account.name.c_str(), account.gid),
          fmt::format("initgroups({}, {})", account.name, account.gid));
    if (chroot_directory) {
        enter_chroot(*chroot_directory);
    }
    check(::setuid(account.uid), fmt::format("setuid({})", account.uid));

    uid_t real_user = 0;
    uid_t user = 0;
    uid_t saved_user = 0;
    gid_t real_group = 0;
    gid_t group = 0;
    gid_t saved_group = 0;
    check(::getresuid(&real_user, &user, &saved_user), "getresuid");
    check(::getresgid(&real_group, &group, &saved_group), "getresgid");
    const bool all_users = real_user == account.uid && user == account.uid && saved_user == account.uid;
    const bool all_groups = real_group == account.gid && group == account.gid && saved_group == account.gid;
    if (!all_users || !all_groups || ::setuid(0) == 0) {
        throw std::runtime_error(fmt::format("privileges were not given up for good as {}", account.name));
    }
}

BorrowedIdentity::BorrowedIdentity(const Account& account) : group_(::getegid()) {
    if (::geteuid() != 0) return;
    groups_.resize(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
    groups_.resize(
        static_cast<std::size_t>(std::max(0, ::getgroups(static_cast<int>(groups_.size()), groups_.data()))));
    if (::initgroups(account.name.c_str(), account.gid) != 0 || ::setegid(account.gid) != 0 ||
        ::seteuid(account.uid) != 0) {
        throw std::system_error(errno, std::generic_category(), "act as " + account.name);
    }
    borrowed_ = true;
}

BorrowedIdentity::~BorrowedIdentity() {
    if (!borrowed_) return;
    if (::seteuid(0) != 0 || ::setegid(group_) != 0 || ::setgroups(groups_.size(), groups_.data()) != 0) {
        // Continuing as another user would give wrong answers at best.
        std::abort();
    }
}

}  // namespace proxyd::master
