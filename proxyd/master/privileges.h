// The change from root to $mail_owner, and into the queue directory.
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

// Looks up a user. `label` names the user in errors (else "mail_owner = NAME"). Call before the chroot, which
// may have no user database. Throws std::runtime_error for an unknown user, and for one with the rights of
// root.
[[nodiscard]] Account find_account(const std::string& name, std::string label = {});

// Changes root to `directory` and goes there. Throws std::system_error.
void enter_chroot(const std::string& directory);

// Takes on the account's groups and user for good. Sets the groups first (they need the user database and
// root's rights), then enters the chroot if one is given, and sets the user last. Checks afterwards that
// there is no way back. Throws std::system_error or std::runtime_error; the process must then end, because
// the change may be incomplete.
void drop_privileges(const Account& account, const std::optional<std::string>& chroot_directory);

// Acts as another user until destruction, to see what that user may do. For root only: does nothing for any
// other user.
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
