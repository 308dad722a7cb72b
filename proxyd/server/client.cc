#include "proxyd/server/client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/report/log.h"
#include "proxyd/server/server.h"

namespace proxyd::server {
namespace {

using protocol::Decoded;
using protocol::Reply;
using protocol::Status;

// The wait of Greeting::probe: clients that expect a greeting stay silent, older ones speak first.
constexpr std::chrono::milliseconds greeting_probe{100};

// Clients pause for less between the lookups of one mail session.
constexpr std::chrono::milliseconds quiet_time{50};

// A client that never reads its reply is closed after this many request_timeouts.
constexpr int slow_reader_factor = 30;

// Input that is no request gets no reply, which would end the client's turn. This limit leaves time for other
// clients.
constexpr int requests_per_turn = 64;

// The most capacity that an idle client keeps for its next request, and for its reply.
constexpr std::size_t kept_capacity = 512;

// Long replies are sent in pieces that leave time for other clients.
constexpr std::size_t bytes_per_turn = std::size_t{1} << 20;

// One buffer serves all reads of a loop. Each client stores the rest of its own request.
thread_local std::array<char, 65536> scratch;

// Whether the other side has closed both directions. A client that has only closed its sending side waits for
// its reply.
bool peer_has_gone(int fd) {
    pollfd look{fd, 0, 0};  // POLLHUP is always reported
    return poll(&look, 1, 0) == 1 && (look.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

Client::Client(Server& server, int fd) : server_(server), fd_(fd), decoder_(server.settings().limits) {}

Client::~Client() {
    watch_.reset();
    if (fd_ >= 0) ::close(fd_);
}

void Client::start() {
    watch_ = server_.loop().watch(fd_, [this](Ready what) {
        const auto self = shared_from_this();  // close() ends the server's ownership
        ready(what);
    });
    if (server_.settings().greeting == protocol::Greeting::yes) {
        greet();
    } else if (server_.settings().greeting == protocol::Greeting::probe) {
        greeting_timer_ = server_.loop().make_timer([this] {
            const auto self = shared_from_this();
            greet();
            greeting_timer_.reset();
        });
        greeting_timer_->start(greeting_probe);
    }
    if (!closed()) update_interest();
}

void Client::greet() {
    if (contact_ != Contact::none || closed()) return;
    contact_ = Contact::greeted;
    // A client that has spoken already is an older one, still running from before an upgrade.
    char byte = 0;
    if (recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) return;
    out_ += protocol::greeting;
    state_ = State::replying;
    write_out();
}

void Client::finish() {
    finishing_ = true;
    if (!idle()) return;
    // A request that has arrived is still answered.
    read_requests();
    if (quiet()) close();
}

void Client::finish_if_quiet(TimePoint now) {
    if (!quiet() || contact_ != Contact::answered || now - last_reply_ < quiet_time) return;
    read_requests();
    if (quiet() && now - last_reply_ >= quiet_time) close();
}

bool Client::check_time(TimePoint now) {
    if (closed()) return false;
    if (input_ != Input::read && peer_has_gone(fd_)) {
        close();
        return false;
    }
    if (unfinished_since_ == TimePoint{}) return input_ != Input::read;
    const auto limit = server_.settings().request_timeout;
    if (state_ == State::replying) {
        if (now - unfinished_since_ > limit * slow_reader_factor) {
            log().warning("slow reader", "a client does not read its reply -- closing the connection");
            close();
        }
    } else if (now - unfinished_since_ > limit) {
        log().warning("partial request", "a client did not complete its request -- closing the connection");
        close();
    }
    return !closed();
}

void Client::ready(Ready what) {
    if (closed()) return;
    if (what.write) write_out();
    if (what.read && !closed()) read_requests();
}

// Little more than one message is buffered.
bool Client::may_read_ahead() const {
    return in_.size() <= server_.settings().limits.message_bytes + scratch.size();
}

void Client::read_requests() {
    server_.make_room();
    if (closed()) return;
    if (!may_read_ahead()) {
        update_interest();
        return;
    }
    const auto got = recv(fd_, scratch.data(), scratch.size(), MSG_DONTWAIT);
    if (got < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return;
        close();
        return;
    }
    if (contact_ == Contact::none) contact_ = Contact::greeted;
    if (got == 0) {
        input_ = Input::ended;
        if ((idle() && !write_pending_) || peer_has_gone(fd_)) {
            close();
        } else {
            update_interest();
        }
        return;
    }
    const std::string_view fresh(scratch.data(), static_cast<std::size_t>(got));
    if (!quiet()) {
        in_ += fresh;
        serve_next();
        return;
    }
    const auto consumed = serve_requests(fresh);
    if (!closed() && consumed < fresh.size()) in_.assign(fresh.substr(consumed));
    after_reply();
}

// Serves the requests that were received before.
void Client::serve_next() {
    if (serving_ || in_.empty()) {
        if (!serving_) after_reply();
        return;
    }
    const auto consumed = serve_requests(in_);
    if (closed()) return;
    in_.erase(0, consumed);
    if (in_.empty() && in_.capacity() > kept_capacity) in_.shrink_to_fit();
    after_reply();
}

// Serves requests from the buffer until one has to wait; returns how many bytes they took. The scratch buffer
// may be overwritten only after it has returned.
std::size_t Client::serve_requests(std::string_view buffer) {
    serving_ = true;
    std::size_t consumed = 0;
    for (int turn = 0; idle() && consumed < buffer.size(); ++turn) {
        if (turn == requests_per_turn) {
            write_later();  // write_out() begins the next turn
            break;
        }
        const auto decoded = decoder_.decode(buffer.substr(consumed));
        if (decoded.outcome == Decoded::incomplete) break;
        consumed += decoded.consumed;
        unfinished_since_ = {};  // the request is complete
        serve(decoded);
    }
    serving_ = false;
    return consumed;
}

void Client::serve(const protocol::DecodeResult& decoded) {
    if (!decoded.problem.empty()) log().warning("client request", decoded.problem);
    const auto& request = decoded.request;
    switch (decoded.outcome) {
        case Decoded::request: serve_request(request); return;
        case Decoded::too_long: finishing_ = true; [[fallthrough]];
        case Decoded::malformed:
            (void)reply(request.command, request.layout, Reply{Status::bad, 0, {}, {}});
            return;
        case Decoded::unknown_request:
            protocol::append_unknown_request_reply(out_);
            write_later();
            return;
        case Decoded::no_request:
        case Decoded::incomplete: return;
    }
}

void Client::serve_request(const protocol::Request& request) {
    // An open request never waits, and clients would take any other answer as the end of the table.
    const auto size = request.command == protocol::Command::open
                          ? 0
                          : request.table.size() + request.key.size() + request.value.size();
    asked_ = {request.command, request.layout, size, server_.loop().now()};
    if (!server_.memory().begin(size)) {
        log().warning("long requests",
                      "too many long requests at a time -- telling clients to try again later");
        table_.reset();
        end_request({Reply{Status::retry, protocol::echoed_flags(request), {}, {}}});
        return;
    }
    state_ = State::answering;
    server_.service().serve(request, table_, shared_from_this());
}

void Client::answered(const Answer& answer) {
    server_.memory().done(asked_.size);
    end_request(answer);
}

// The end of every well-formed request, whatever has answered it.
void Client::end_request(const Answer& answer) {
    AnsweredRequest ended{table_.get(),  asked_.command, answer.reply.status,
                          answer.source, answer.failure, server_.loop().now() - asked_.complete_at};
    if (asked_.command == protocol::Command::lookup && ended.status == Status::retry && server_.hurries()) {
        close();  // the client asks the next process
    } else if (!closed()) {
        ended.status = reply(asked_.command, asked_.layout, answer.reply);
    }
    server_.request_ended(ended);
}

// Returns the status that the client gets.
Status Client::reply(protocol::Command command, protocol::Layout layout, const Reply& answer) {
    const bool at_length = command == protocol::Command::lookup && answer.owned_value != nullptr &&
                           answer.value.size() > protocol::long_value;
    auto status = answer.status;
    if (!at_length) {
        protocol::append(out_, command, layout, answer);
    } else if (!reply_at_length(layout, answer)) {
        status = Status::retry;
        protocol::append(out_, command, layout, Reply{status, answer.flags, {}, {}});
    }
    write_later();
    return status;
}

// False: too many bytes are on their way to other clients.
bool Client::reply_at_length(protocol::Layout layout, const Reply& answer) {
    const auto size = answer.owned_value->capacity();
    if (!server_.has_room_for_reply(size)) return false;
    long_reply_ = size;
    server_.memory().begin_reply(size);
    out_value_ = std::move(*answer.owned_value);
    protocol::append_around(out_, out_value_, layout, answer);
    return true;
}

// Sends the reply in out_, or, without one, serves the next requests.
void Client::write_later() {
    if (!out_.empty()) {
        state_ = State::replying;
        contact_ = Contact::answered;
        last_reply_ = server_.loop().now();
    }
    if (write_pending_) return;
    write_pending_ = true;
    server_.write_later(shared_from_this());
}

void Client::write_now() {
    write_pending_ = false;
    if (!closed()) write_out();
}

// Writes the output. Then serves the requests received meanwhile, or closes after the last one.
void Client::write_out() {
    std::size_t written = 0;
    while (!out_.empty()) {
        if (written >= bytes_per_turn) {
            unfinished_since_ = server_.loop().now();
            update_interest();
            return;
        }
        const auto sent =
            send(fd_, out_.data() + out_sent_, std::min(out_.size() - out_sent_, bytes_per_turn),
                 MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK) {
                if (unfinished_since_ == TimePoint{}) unfinished_since_ = server_.loop().now();
                update_interest();
                return;
            }
            close();
            return;
        }
        out_sent_ += static_cast<std::size_t>(sent);
        written += static_cast<std::size_t>(sent);
        unfinished_since_ = {};
        if (out_sent_ < out_.size()) continue;
        out_sent_ = 0;
        if (!out_value_.empty()) {
            out_ = std::exchange(out_value_, {});
            continue;
        }
        out_.clear();
        if (out_.capacity() > kept_capacity) out_.shrink_to_fit();
        end_long_reply();
    }
    unfinished_since_ = {};
    if (state_ == State::replying) state_ = State::idle;
    if (watch_) serve_next();
}

// Decides the next step when requests have been served as far as possible.
void Client::after_reply() {
    if (closed()) return;
    if (idle() && !write_pending_) {
        if (input_ == Input::ended || (finishing_ && in_.empty())) {
            close();
            return;
        }
        const bool partial = !in_.empty();
        if (partial && unfinished_since_ == TimePoint{}) unfinished_since_ = server_.loop().now();
        if (!partial) unfinished_since_ = {};
        if (partial) server_.watch_time();
    }
    update_interest();
}

void Client::update_interest() {
    if (closed() || !watch_) return;
    report_memory();
    const bool blocked = state_ == State::replying && !write_pending_;
    if (input_ != Input::ended) input_ = may_read_ahead() ? Input::read : Input::paused;
    watch_->want(input_ == Input::read, blocked);
    if (blocked || input_ != Input::read) server_.watch_time();
}

void Client::report_memory() {
    const auto bytes = in_.capacity() + (long_reply_ > 0 ? 0 : out_.capacity());
    const bool much = bytes > ClientMemory::small;
    if (much || counted_) server_.memory().holds(fd_, bytes, server_.loop().now());
    counted_ = much;
}

void Client::free_buffers() {
    in_ = {};
    out_ = {};
    out_value_ = {};
    end_long_reply();
}

void Client::end_long_reply() {
    if (long_reply_ > 0) server_.memory().end_reply(std::exchange(long_reply_, 0));
}

void Client::close() {
    if (closed()) return;
    state_ = State::closed;
    greeting_timer_.reset();
    watch_.reset();
    const int fd = std::exchange(fd_, -1);
    ::close(fd);
    server_.client_closed(fd);
}

}  // namespace proxyd::server
