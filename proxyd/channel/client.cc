#include "proxyd/channel/client.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace proxyd::channel {
namespace {

constexpr timeval patience{5, 0};

// Far more than the status of thousands of tables needs.
constexpr std::size_t longest_reply = 64 << 20;

class Connection {
  public:
    explicit Connection(const std::string& path) : path_(path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path.size() >= sizeof address.sun_path) fail("the path is too long");
        std::memcpy(address.sun_path, path.c_str(), path.size());
        fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd_ < 0) fail(std::strerror(errno));
        for (const int direction : {SO_RCVTIMEO, SO_SNDTIMEO}) {
            (void)setsockopt(fd_, SOL_SOCKET, direction, &patience, sizeof patience);
        }
        if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            const int error = errno;
            close(fd_);
            fail_to_connect(error);
        }
    }
    ~Connection() { close(fd_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void write(std::string_view text) {
        while (!text.empty()) {
            const auto sent = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR) continue;
            if (sent <= 0) return;  // the reply may have arrived already
            text.remove_prefix(static_cast<std::size_t>(sent));
        }
    }

    std::string read_line() {
        std::string line;
        std::array<char, 8192> buffer;
        while (!line.ends_with('\n')) {
            if (line.size() > longest_reply) fail("the reply is too long");
            const auto got = recv(fd_, buffer.data(), buffer.size(), 0);
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) fail("the daemon does not answer");
            line.append(buffer.data(), static_cast<std::size_t>(got));
        }
        return line;
    }

    [[noreturn]] void fail(const std::string& why, AskFault fault = AskFault::other) const {
        throw AskError(fmt::format("{}: {}", path_, why), fault);
    }

  private:
    [[noreturn]] void fail_to_connect(int error) const {
        switch (error) {
            case EACCES:
            case EPERM:
                fail("permission denied: only root and the user that the daemon runs as may ask",
                     AskFault::denied);
            case ENOENT: fail("there is no such socket", AskFault::nobody);
            case ECONNREFUSED: fail("the daemon that made this socket has gone", AskFault::nobody);
            default: fail(std::strerror(error));
        }
    }

    const std::string& path_;
    int fd_ = -1;
};

}  // namespace

nlohmann::json ask(const std::string& path, const nlohmann::json& request) {
    Connection connection(path);
    connection.write(request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n');
    const std::string line = connection.read_line();
    try {
        return read_reply(line);
    } catch (const AskError& error) {
        connection.fail(error.what());
    }
}

nlohmann::json read_reply(std::string_view line) {
    auto reply = nlohmann::json::parse(line, nullptr, false);
    const auto ok = reply.is_object() ? reply.find("ok") : reply.end();
    if (ok == reply.end() || !ok->is_boolean()) throw AskError("this is no control socket of proxyd");
    if (!ok->get<bool>()) {
        const auto error = reply.find("error");
        const bool told = error != reply.end() && error->is_string();
        const auto reason = told ? error->get<std::string>() : std::string();
        throw AskError(reason.empty() ? "the daemon gives no reason" : reason);
    }
    reply.erase("ok");
    return reply;
}

}  // namespace proxyd::channel
