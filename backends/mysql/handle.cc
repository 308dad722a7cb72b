#include "backends/mysql/handle.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include <fcntl.h>
#include <ma_pvio.h>
#include <sys/socket.h>

namespace proxyd::mysql {
namespace {

thread_local Handle* stepping = nullptr;

// Longer data comes in several packets, all but the last of this length.
constexpr std::size_t full_packet = 0xffffff;

// Bytes of a row packet beside the values: the lengths of at most 4096 values.
constexpr std::size_t packet_overhead = 65536;
constexpr std::size_t largest_answer = std::size_t{1} << 30;  // the protocol's own bound

}  // namespace

Handle::Handle() {
    if (mysql_init(&mysql_) == nullptr) throw std::bad_alloc();
    mysql_options(&mysql_, MYSQL_OPT_NONBLOCK, nullptr);
    mysql_options(&mysql_, MARIADB_OPT_IO_WAIT, reinterpret_cast<const void*>(&Handle::wait_hook));
}

Handle::~Handle() {
    if (const int fd = socket(); fd >= 0) ::shutdown(fd, SHUT_RDWR);
    // The call gets errors from now on, and frees its memory.
    constexpr int more_than_any_call_needs = 1000;
    for (int i = 0; i < more_than_any_call_needs && next_; ++i) {
        (void)go_on(MYSQL_WAIT_TIMEOUT);
        if (const int fd = socket(); fd >= 0) ::shutdown(fd, SHUT_RDWR);
    }
    mysql_close(&mysql_);
}

bool Handle::has_surplus() const {
    const auto* const received = mysql_.net.pvio;
    return received != nullptr && received->cache != nullptr &&
           received->cache_pos < received->cache + received->cache_size;
}

std::optional<std::string_view> Handle::out_of_step() {
    if (has_surplus()) return "the server sent what was not asked for";
    char byte = 0;
    const auto count = ::recv(socket(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (count > 0) return "the server sent what was not asked for";
    if (count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
        return "the server closed the connection";
    return std::nullopt;
}

void Handle::begin_exchange(std::size_t query_bytes, std::size_t answer_limit) {
    packet_number_ = (1 + query_bytes) / full_packet;
    mysql_.net.max_packet_size = std::min(answer_limit, largest_answer) + packet_overhead;
}

bool Handle::packets_came(std::size_t least, std::size_t most) {
    // Compressed packets have their own numbers.
    if (mysql_.net.compress != 0) return true;
    for (auto count = least; count <= most; ++count) {
        // The library gives the number of the next packet.
        if (((packet_number_ + count + 1 - mysql_.net.pkt_nr) & 0xff) != 0) continue;
        packet_number_ += count;
        return true;
    }
    return false;
}

bool Handle::row_came(std::size_t bytes, std::size_t columns) {
    // Each value has its length before it, in up to this many bytes.
    constexpr std::size_t length_bytes = 9;
    return packets_came(1 + bytes / full_packet, 1 + (bytes + length_bytes * columns) / full_packet);
}

// The library reports 2013 (lost connection) for this, too, but marks failed reads in another way.
bool Handle::packet_was_too_large() const {
    constexpr unsigned char no_room = 1;
    return mysql_.net.error == no_room;
}

// The library clears the last error only where it sends, and does not always give a reason for a failure: the
// error of the previous query must not stand for it.
void Handle::forget_error() {
    mysql_.net.last_errno = 0;
    mysql_.net.last_error[0] = '\0';
}

int Handle::start_connecting(std::function<int()> first, std::function<int(int)> next,
                             std::function<void()> each_time) {
    each_time_ = std::move(each_time);
    read_option_files();
    each_time_();
    coroutine_ = std::make_unique<Coroutine>();
    next_ = std::move(next);
    return step(std::move(first));
}

int Handle::go_on(int ready) {
    if (!next_) return 0;
    if (coroutine_) {
        each_time_();
        if (coroutine_->finished()) return step([this, ready] { return next_(ready); });
        ready_ = ready;
        stepping = this;
        coroutine_->go_on();
        return step_result();
    }
    const int waits = next_(ready);
    if (waits == 0) next_ = nullptr;
    return waits;
}

// The library reads option files at the beginning of the connecting call, and applies them at once. So it
// first connects to an address where the system allows no connection: then all files are read, and the
// options can still be changed. A time limit would make the library wait in the TLS handshake despite
// never_block(); proxyd keeps the limits itself.
void Handle::read_option_files() {
    (void)mysql_real_connect(&mysql_, "255.255.255.255", nullptr, nullptr, nullptr, 0, nullptr,
                             CLIENT_REMEMBER_OPTIONS);
    const unsigned none = 0;
    for (const auto limit : {MYSQL_OPT_CONNECT_TIMEOUT, MYSQL_OPT_READ_TIMEOUT, MYSQL_OPT_WRITE_TIMEOUT})
        mysql_options(&mysql_, limit, &none);
}

// One step of the connecting call.
int Handle::step(std::function<int()> call) {
    never_block();
    stepping = this;
    coroutine_->run([this, call = std::move(call)] { step_returned_ = call(); });
    return step_result();
}

int Handle::step_result() {
    stepping = nullptr;
    if (!coroutine_->finished()) return step_waits_;
    if (step_returned_ == 0) {
        next_ = nullptr;
        coroutine_.reset();
        never_block();
    }
    return step_returned_;
}

// The library leaves the socket in blocking mode. That does not matter to its plain reads, but the TLS
// library would wait in them. If the server's greeting arrives together with the connection, the handshake
// begins before the mode can be changed: its first read then gives up after the shortest possible time.
void Handle::never_block() {
    const int fd = socket();
    if (fd < 0) return;
    const int flags = ::fcntl(fd, F_GETFL);
    if ((flags & O_NONBLOCK) == 0) (void)::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    const timeval shortest{0, 1000};
    (void)::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &shortest, sizeof shortest);
    (void)::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &shortest, sizeof shortest);
}

// Called where the library would wait for the socket without returning. Returns 1 when the socket is ready, 0
// when it is not: the library then gives up.
int Handle::wait_hook(my_socket, my_bool for_reading, int) {
    Handle* const self = stepping;
    if (self != nullptr && self->coroutine_) {
        self->never_block();
        self->step_waits_ = for_reading != 0 ? MYSQL_WAIT_READ : MYSQL_WAIT_WRITE;
        self->coroutine_->leave();
        if ((self->ready_ & (MYSQL_WAIT_READ | MYSQL_WAIT_WRITE)) != 0) return 1;
    }
    errno = ETIMEDOUT;
    return 0;
}

}  // namespace proxyd::mysql
