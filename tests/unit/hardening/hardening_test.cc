#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <spawn.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxyd/hardening/capabilities.h"
#include "proxyd/hardening/system_calls.h"

namespace proxyd::hardening {
namespace {

// Dropped rights cannot be regained, so each story runs in its own process. Returns 0 if all is as expected.
int in_child(const std::function<int()>& story) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(story());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Runs /bin/true; returns its exit status, or a negative error number.
int run_true() {
    std::string name = "true";
    char* const arguments[] = {name.data(), nullptr};
    char* const environment[] = {nullptr};
    pid_t child = 0;
    const int error = ::posix_spawn(&child, "/bin/true", nullptr, nullptr, arguments, environment);
    if (error != 0) return -error;
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

bool holds(cap_value_t capability) {
    const cap_t set = cap_get_proc();
    cap_flag_value_t value = CAP_CLEAR;
    cap_get_flag(set, capability, CAP_PERMITTED, &value);
    cap_free(set);
    return value == CAP_SET;
}

TEST(Capabilities, RootKeepsFilePermissionsAlone) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    EXPECT_EQ(in_child([] {
                  if (!holds(CAP_SETUID) || !holds(CAP_DAC_OVERRIDE)) return 1;
                  give_up_capabilities();
                  if (holds(CAP_SETUID) || !holds(CAP_DAC_OVERRIDE)) return 2;
                  return ::setuid(54321) == 0 ? 3 : 0;
              }),
              0);
}

TEST(Capabilities, NobodyElseKeepsAny) {
    EXPECT_EQ(in_child([] {
                  if (::geteuid() == 0) {
                      ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
                      if (::setuid(54321) != 0 || !holds(CAP_DAC_OVERRIDE)) return 1;
                  }
                  give_up_capabilities();
                  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
                      if (holds(capability)) return 2;
                  }
                  return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 3;
              }),
              0);
}

TEST(SystemCalls, RefusesWhatIsNeverNeeded) {
    EXPECT_EQ(in_child([] {
                  if (!refuse_system_calls(Programs::started).empty()) return 1;
                  if (::unshare(CLONE_NEWUSER) == 0 || errno != EPERM) return 2;
                  if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0 || errno != EPERM) return 3;
                  return 0;
              }),
              0);
}

TEST(SystemCalls, ProgramsMayBeStartedOrNot) {
    EXPECT_EQ(in_child([] {
                  (void)refuse_system_calls(Programs::started);
                  return run_true();
              }),
              0);
    EXPECT_EQ(in_child([] {
                  (void)refuse_system_calls(Programs::never);
                  return -run_true();
              }),
              EPERM);
}

TEST(SystemCalls, FilesAndThreadsWork) {
    EXPECT_EQ(in_child([] {
                  (void)refuse_system_calls(Programs::never);
                  int fd = -1;
                  std::thread([&fd] { fd = ::open("/dev/null", O_RDWR | O_CLOEXEC); }).join();
                  return fd >= 0 ? 0 : 1;
              }),
              0);
}

}  // namespace
}  // namespace proxyd::hardening
