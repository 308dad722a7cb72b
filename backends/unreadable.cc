#include "backends/unreadable.h"

#include <array>

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

namespace proxyd {

std::string advice_to_let_read(std::string_view user, const std::string& path) {
    return fmt::format("Try chown root:{0} {1}; chmod 640 {1}, and look at the directories above", user,
                       path);
}

std::string effective_user() {
    std::array<char, 4096> buffer;
    passwd entry{};
    passwd* found = nullptr;
    const auto user = geteuid();
    if (getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
        return std::to_string(user);
    }
    return found->pw_name;
}

}  // namespace proxyd
