#include "proxyd/postfix/program.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace proxyd::postfix {
namespace {

using Clock = std::chrono::steady_clock;

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() { close(); }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    [[nodiscard]] int get() const { return fd_; }
    void close() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }

  private:
    int fd_;
};

// Both ends are above the standard descriptors, even if those are closed, so that the child can be given its
// own.
struct Pipe {
    static int above_standard(int fd) {
        const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
        ::close(fd);
        return moved;
    }
    explicit Pipe(const std::array<int, 2>& fds)
        : read(above_standard(fds[0])), write(above_standard(fds[1])) {}

    Descriptor read;
    Descriptor write;
};

// A list of strings in C's form. The strings must outlive it.
std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> list;
    for (auto& text : strings) list.push_back(text.data());
    list.push_back(nullptr);
    return list;
}

// Returns 0 or an error number.
int start(const Program& program, int output, pid_t& child) {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    if (program.join_errors) {
        posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
    } else {
        posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    }
    // No other process may hold the sockets from master(8) open.
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);

    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes, &signals);
    sigaddset(&signals, SIGPIPE);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              (program.own_group ? POSIX_SPAWN_SETPGROUP : 0));

    auto words = program.words;
    auto environment = program.environment;
    const int error = ::posix_spawn(&child, words.front().c_str(), &files, &attributes,
                                    pointers(words).data(), pointers(environment).data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

// Reads all output until the end or the deadline. Returns the fault, or "".
std::string read_all(int fd, Clock::time_point deadline, std::string& output) {
    std::array<char, 16384> buffer;
    while (true) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd wait{fd, POLLIN, 0};
        const int ready = left > 0 ? ::poll(&wait, 1, static_cast<int>(left)) : 0;
        if (ready == 0) return "timed out";
        if (ready < 0 && errno == EINTR) continue;
        const ssize_t count = ready < 0 ? -1 : ::read(fd, buffer.data(), buffer.size());
        if (count == 0) return {};
        if (count > 0) output.append(buffer.data(), static_cast<std::size_t>(count));
        if (count < 0 && errno != EINTR) return std::strerror(errno);
    }
}

// Sets the exit status, or the fault of the run.
void wait_for(pid_t child, ProgramRun& run) {
    int status = 0;
    pid_t done;
    while ((done = ::waitpid(child, &status, 0)) < 0 && errno == EINTR) {
    }
    if (done < 0) return;  // SIGCHLD is ignored: only the output shows the result
    if (WIFSIGNALED(status)) {
        run.fault = "killed by signal " + std::to_string(WTERMSIG(status));
        return;
    }
    run.status = WEXITSTATUS(status);
    if (run.status != 0) run.fault = "exit status " + std::to_string(run.status);
}

}  // namespace

ProgramRun run_program(const Program& program) {
    ProgramRun run;
    std::array<int, 2> fds;
    if (::pipe2(fds.data(), O_CLOEXEC) < 0) {
        run.fault = std::strerror(errno);
        return run;
    }
    Pipe pipe(fds);
    if (pipe.read.get() < 0 || pipe.write.get() < 0) {
        run.fault = "no free descriptor";
        return run;
    }
    pid_t child = -1;
    const int error = start(program, pipe.write.get(), child);
    if (error != 0) {
        run.fault = std::strerror(error);
        return run;
    }
    pipe.write.close();
    const auto fault = read_all(pipe.read.get(), Clock::now() + program.timeout, run.output);
    if (!fault.empty()) ::kill(child, SIGKILL);
    wait_for(child, run);
    if (!fault.empty()) run.fault = fault;
    return run;
}

}  // namespace proxyd::postfix
