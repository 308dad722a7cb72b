#include "proxyd/master/line_link.h"

#include <array>
#include <cerrno>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

namespace proxyd::master {
namespace {

// More than the status of thousands of tables takes, several times.
constexpr std::size_t most_unsent = std::size_t{64} << 20;

constexpr std::size_t longest_line = std::size_t{64} << 20;

bool is_temporary(int error) {
    return error == EAGAIN || error == EINTR;
}

}  // namespace

LineLink::LineLink(Loop& loop, int fd, Events events) : loop_(loop), fd_(fd), events_(std::move(events)) {
    watch_ = loop_.watch(fd_, [this](Ready what) { ready(what); });
    watch_->want(true, false);
}

LineLink::~LineLink() {
    watch_.reset();
    close(fd_);
}

bool LineLink::send(std::string_view line) {
    if (ended_) return true;
    if (unsent_.size() + line.size() > most_unsent) return false;
    unsent_.append(line);
    unsent_ += '\n';
    write();
    return true;
}

void LineLink::finish() {
    (void)shutdown(fd_, SHUT_WR);
}

void LineLink::ready(Ready what) {
    const auto alive = lifetime_.watch();
    if (what.write) write();
    if (what.read && alive) read();
}

void LineLink::read() {
    std::array<char, 16384> buffer;
    const auto got = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && is_temporary(errno)) return;
    if (got <= 0 || received_.size() > longest_line) return end();
    const auto alive = lifetime_.watch();
    const auto searched = received_.size();
    received_.append(buffer.data(), static_cast<std::size_t>(got));
    for (auto stop = received_.find('\n', searched); stop != std::string::npos; stop = received_.find('\n')) {
        const auto line = received_.substr(0, stop);
        received_.erase(0, stop + 1);
        events_.came(line);
        if (!alive) return;
    }
}

void LineLink::write() {
    while (!unsent_.empty()) {
        const auto sent = ::send(fd_, unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno != EAGAIN) unsent_.clear();  // the end of the peer shows when it is read
        if (sent < 0) break;
        unsent_.erase(0, static_cast<std::size_t>(sent));
    }
    if (!ended_) watch_->want(true, !unsent_.empty());
}

void LineLink::end() {
    ended_ = true;
    watch_->want(false, false);
    const auto ended = std::exchange(events_.ended, nullptr);
    if (ended) ended();
}

}  // namespace proxyd::master
