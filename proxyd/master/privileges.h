// From root to $mail_owner, and into the queue directory.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace proxyd::master {

struct Account {
    std::string name;
    uid_t uid = 0;
    gid_t gid = 0;
};

// Looks up a user, whom `label` calls so in errors (else "mail_owner = NAME"). To be done before the chroot,
// where there may be no user database. Throws std::runtime_error for an unknown user, and for one with the
// rights of root.
[[nodiscard]] Account find_account(const std::string& name, std::string label = {});

// Changes root to `directory` and goes there. Throws std::system_error.
void enter_chroot(const std::string& directory);

// Takes on the account's groups and user for good, between them entering the chroot if one is given: groups
// first (they need the user database and root's rights), the user last. Afterwards checks that there is no
// way back. Throws std::system_error or std::runtime_error; the process must then end, it may be half way.
void drop_privileges(const Account& account, const std::optional<std::string>& chroot_directory);

// Acts as another user for a while, to see what that user may do. For root only: of any other user it changes
// nothing.
class BorrowedIdentity {
  public:
    // Throws std::system_error.
    explicit BorrowedIdentity(const Account& account);
    ~BorrowedIdentity();
    BorrowedIdentity(const BorrowedIdentity&) = delete;
    BorrowedIdentity& operator=(const BorrowedIdentity&) = delete;

  private:
    bool borrowed_ = false;
    std::vector<gid_t> groups_;
    gid_t group_ = 0;
};

}  // namespace proxyd::master
