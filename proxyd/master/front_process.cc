#include "proxyd/master/front_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace proxyd::master {
namespace {

[[noreturn]] void end_like(int status) {
    if (WIFSIGNALED(status)) {
        // So that master's log tells what happened.
        std::signal(WTERMSIG(status), SIG_DFL);
        kill(getpid(), WTERMSIG(status));
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

pid_t child_of_signal = 0;

// Master ends a service that has left master.cf, and all of them at its own stop.
void pass_on(int) {
    kill(child_of_signal, SIGTERM);
    _exit(0);
}

// `child_fd` becomes readable (end of file) when the child has ended.
[[noreturn]] void stay_in_front(pid_t child, int status_fd, int child_fd) {
    child_of_signal = child;
    std::signal(SIGTERM, pass_on);
    for (;;) {
        std::array<pollfd, 2> watched{pollfd{status_fd, POLLIN, 0}, pollfd{child_fd, POLLIN, 0}};
        if (poll(watched.data(), watched.size(), -1) < 0) {
            if (errno == EINTR) continue;
            _exit(1);
        }
        if (watched[0].revents != 0) _exit(0);
        if (watched[1].revents != 0) {
            int status = 0;
            while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
            }
            end_like(status);
        }
    }
}

std::array<int, 2> make_pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    return ends;
}

}  // namespace

ServingProcess fork_serving_process(int status_fd, const std::vector<int>& listen_fds) {
    const auto to_child = make_pipe();   // never written: its end tells that the other side has ended
    const auto to_parent = make_pipe();  // the same, the other way round
    const pid_t front_pid = getpid();
    const pid_t child = fork();
    if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (child > 0) {
        for (const int fd : listen_fds) close(fd);
        close(to_child[0]);
        close(to_parent[1]);
        stay_in_front(child, status_fd, to_parent[0]);
    }
    close(to_child[1]);
    close(to_parent[0]);
    return {front_pid, to_child[0]};
}

}  // namespace proxyd::master
