#include "proxyd/master/process_state.h"

#include <fstream>
#include <string_view>

#include <fmt/format.h>

namespace proxyd::master {
namespace {

std::string_view words_of(char letter) {
    switch (letter) {
        case 'R': return "busy";
        case 'S': return "asleep";
        case 'D': return "waiting for a disk or a file system";
        case 'T': return "stopped by a signal";
        case 't': return "held by a debugger";
        default: return "";
    }
}

}  // namespace

ProcessState process_state(pid_t process) {
    ProcessState state;
    std::ifstream file(fmt::format("/proc/{}/status", process));
    for (std::string line; std::getline(file, line);) {
        const auto value = line.find_first_not_of("\t ", line.find(':') + 1);
        if (value == std::string::npos) continue;
        if (line.starts_with("State:")) state.words = words_of(line[value]);
        if (line.starts_with("TracerPid:")) state.traced = line[value] != '0';
    }
    return state;
}

}  // namespace proxyd::master
