// Runs a program, such as postconf(1), and waits for it.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace proxyd::postfix {

struct Program {
    std::vector<std::string> words{};        // the path first; no shell is involved
    std::vector<std::string> environment{};  // NAME=value
    bool join_errors = false;                // standard error is output, too; otherwise it is lost
    bool own_group = false;                  // in a process group of its own
    std::chrono::milliseconds timeout = std::chrono::seconds(30);
};

struct ProgramRun {
    std::string output;
    std::string fault;  // "": exit status 0; else the reason: "exit status 1", "timed out" ...
    int status = -1;    // the exit status; -1: there is none
};

// Runs it without standard input and without our descriptors. Kills it at the timeout.
[[nodiscard]] ProgramRun run_program(const Program& program);

}  // namespace proxyd::postfix
