// The services of master.cf and the parameters that they change (master(5)).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace proxyd::control {

struct MasterService {
    std::string name;
    std::string type;
    std::string is_private;  // y, n or -; so are the next two
    std::string unprivileged;
    std::string chroot;
    std::string limit;  // of processes: a number or -
    std::string command;
    int line = 0;
    std::vector<std::string> arguments;                          // of the command, as written
    std::vector<std::pair<std::string, std::string>> overrides;  // of -o, as written
};

// Lines that are no service are left out: master(8) reports them.
[[nodiscard]] std::vector<MasterService> read_services(std::string_view master_cf);

// The entry of this name and of type unix, or nullptr. Of several entries the last, as master(8) uses it.
[[nodiscard]] const MasterService* find_service(const std::vector<MasterService>& services,
                                                std::string_view name);

// The entry of the service that Postfix programs ask, or nullptr.
[[nodiscard]] const MasterService* find_proxymap(const std::vector<MasterService>& services);

// The line of `-o name=value` in the entry that begins at `line` and may continue on others; `line` when it
// is not found.
[[nodiscard]] int line_of_option(std::string_view master_cf, int line, std::string_view name);

}  // namespace proxyd::control
