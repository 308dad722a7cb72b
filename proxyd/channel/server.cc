#include "proxyd/channel/server.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/report/log.h"

namespace proxyd::channel {
namespace {

using nlohmann::json;

constexpr std::size_t longest_request = 65536;

// More sessions would be a mistake or an attack. They must not use up the descriptors that lookups need.
constexpr std::size_t most_sessions = 16;

constexpr std::chrono::seconds session_limit{5};
constexpr std::chrono::seconds accept_pause{1};

// Only root and this process's user may connect.
constexpr mode_t socket_mode = 0600;

}  // namespace

// One connection: reads a request, writes its reply and closes.
class Server::Session : public std::enable_shared_from_this<Session> {
  public:
    Session(Server& server, int fd)
        : server_(server), fd_(fd), timer_(server.loop_.make_timer([this] { end(); })) {
        timer_->start(session_limit);
    }
    ~Session() {
        watch_.reset();
        close(fd_);
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void start() {
        watch_ = server_.loop_.watch(fd_, [this](Ready ready) {
            const auto self = shared_from_this();  // end() ends the server's ownership
            if (ready.read) read_request();
            if (ready.write && !ended_) write_reply();
        });
        watch_->want(true, false);
    }

  private:
    void read_request() {
        std::array<char, 4096> buffer;
        const auto got = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0) {
            end();
            return;
        }
        request_.append(buffer.data(), static_cast<std::size_t>(got));
        const auto line_end = request_.find('\n');
        if (line_end != std::string::npos) {
            request_.resize(line_end);
            // Nothing more is read. The limit of the session goes on.
            watch_->want(false, false);
            server_.answer(request_, caller(), [session = weak_from_this()](const json& members) {
                if (const auto alive = session.lock()) alive->reply(members);
            });
        } else if (request_.size() > longest_request) {
            log().warning("control", "a control request is too long -- closing the connection");
            end();
        }
    }

    void reply(const json& members) {
        if (ended_) return;
        reply_ = line_of(members) + '\n';
        watch_->want(false, true);
    }

    void write_reply() {
        const auto sent = send(fd_, reply_.data(), reply_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (sent > 0) reply_.erase(0, static_cast<std::size_t>(sent));
        if (sent <= 0 || reply_.empty()) end();
    }

    [[nodiscard]] Caller caller() const {
        ucred credentials{};
        socklen_t size = sizeof credentials;
        if (getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
            return {0, static_cast<uid_t>(-1)};
        }
        return {credentials.pid, credentials.uid};
    }

    void end() {
        if (std::exchange(ended_, true)) return;
        server_.ended(fd_);
    }

    Server& server_;
    int fd_;
    std::unique_ptr<FdWatch> watch_;
    std::unique_ptr<Timer> timer_;
    std::string request_;
    std::string reply_;
    bool ended_ = false;
};

Server::Server(Loop& loop, const std::string& path)
    : loop_(loop),
      socket_(path, socket_mode, master::ListenSocket::Existing::replaced),
      pause_(loop.make_timer([this] { watch_->want(true, false); })) {
    watch_ = loop_.watch(socket_.fd(), [this](Ready) { accept_one(); });
    watch_->want(true, false);
}

Server::~Server() = default;

void Server::accept_one() {
    const int fd = accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
        // Without free descriptors the socket stays readable. The pause keeps the loop from spinning.
        watch_->want(false, false);
        pause_->start(accept_pause);
        return;
    }
    if (sessions_.size() >= most_sessions) {
        close(fd);
        return;
    }
    const auto session = std::make_shared<Session>(*this, fd);
    sessions_.emplace(fd, session);
    session->start();
}

void Server::ended(int fd) {
    const auto found = sessions_.find(fd);
    if (found == sessions_.end()) return;
    // The session is the caller, so it is destroyed later.
    loop_.defer([session = std::move(found->second)] {});
    sessions_.erase(found);
}

void Server::answer(const std::string& line, const Caller& caller, const ReplyCallback& reply) const {
    if (caller.user != 0 && caller.user != geteuid()) {
        log().warning("control", fmt::format("control request of user {} refused", caller.user));
        return reply(failure("only root and the user that the daemon runs as may ask"));
    }
    commands_.answer(line, caller, reply);
}

}  // namespace proxyd::channel
