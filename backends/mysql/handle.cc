#include "backends/mysql/handle.h"

#include <cerrno>
#include <new>
#include <utility>

#include <fcntl.h>
#include <ma_pvio.h>
#include <sys/socket.h>

namespace proxyd::mysql {
namespace {

thread_local Handle* stepping = nullptr;

// A capability that some releases of the library do not name: columns have no packet for their end.
constexpr unsigned long deprecate_eof = 1UL << 24;

// What is longer goes on in the next packet.
constexpr std::size_t most_in_a_packet = 0xffffff;

// Packets beyond one for each row.
std::size_t further_packets(MYSQL_RES* rows) {
    std::size_t longest = 0;
    const auto columns = mysql_num_fields(rows);
    for (unsigned i = 0; i < columns; ++i) longest += 9 + mysql_fetch_field_direct(rows, i)->max_length;
    if (longest < most_in_a_packet) return 0;
    const auto length = [](std::size_t value) {
        return value + (value < 251 ? 1 : value < 0x10000 ? 3 : value < 0x1000000 ? 4 : 9);
    };
    std::size_t further = 0;
    while (MYSQL_ROW row = mysql_fetch_row(rows)) {
        const auto* lengths = mysql_fetch_lengths(rows);
        std::size_t size = 0;
        for (unsigned i = 0; i < columns; ++i) size += row[i] == nullptr ? 1 : length(lengths[i]);
        further += size / most_in_a_packet;
    }
    mysql_data_seek(rows, 0);
    return further;
}

}  // namespace

Handle::Handle() {
    if (mysql_init(&mysql_) == nullptr) throw std::bad_alloc();
    mysql_options(&mysql_, MYSQL_OPT_NONBLOCK, nullptr);
    mysql_options(&mysql_, MARIADB_OPT_IO_WAIT, reinterpret_cast<const void*>(&Handle::wait_hook));
}

Handle::~Handle() {
    if (const int fd = socket(); fd >= 0) ::shutdown(fd, SHUT_RDWR);
    // The call gets errors from now on, and frees what it has allocated.
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

// With compression the numbers are those of the compressed packets.
bool Handle::numbered_to(std::size_t packets) const {
    return mysql_.net.compress != 0 || mysql_.net.pkt_nr % 256 == (packets + 1) % 256;
}

// The count of columns, each of them, their end, the rows, their end.
std::size_t Handle::packets_of(MYSQL_RES* rows) const {
    const std::size_t ends = (mysql_.client_flag & deprecate_eof) != 0 ? 1 : 2;
    return 1 + mysql_num_fields(rows) + mysql_num_rows(rows) + ends + further_packets(rows);
}

std::string_view Handle::out_of_step() {
    if (has_surplus()) return "the server sent what was not asked for";
    char byte = 0;
    const auto count = ::recv(socket(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (count > 0) return "the server sent what was not asked for";
    if (count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
        return "the server closed the connection";
    return {};
}

int Handle::start(const std::function<int()>& first, std::function<int(int)> next) {
    // The library clears the last error only where it sends, and does not always say why it failed: an error
    // of the query before must not stand for it.
    mysql_.net.last_errno = 0;
    mysql_.net.last_error[0] = '\0';
    const int waits = first();
    next_ = waits != 0 ? std::move(next) : nullptr;
    return waits;
}

int Handle::start_connecting(std::function<int()> first, std::function<int(int)> next,
                             std::function<void()> each_time) {
    each_time_ = std::move(each_time);
    read_option_files();
    each_time_();
    side_stack_ = std::make_unique<SideStack>();
    next_ = std::move(next);
    return step(std::move(first));
}

int Handle::go_on(int ready) {
    if (!next_) return 0;
    if (side_stack_) {
        each_time_();
        if (side_stack_->finished()) return step([this, ready] { return next_(ready); });
        ready_ = ready;
        stepping = this;
        side_stack_->go_on();
        return step_result();
    }
    const int waits = next_(ready);
    if (waits == 0) next_ = nullptr;
    return waits;
}

// The library reads option files at the beginning of the call that connects, and goes by what they say at
// once. So it is made to connect to an address to which the system connects nobody: then all is read, and can
// still be changed. A time limit would make the library wait in the TLS handshake, whatever never_block()
// says; the limits are ours to keep.
void Handle::read_option_files() {
    (void)mysql_real_connect(&mysql_, "255.255.255.255", nullptr, nullptr, nullptr, 0, nullptr,
                             CLIENT_REMEMBER_OPTIONS);
    const unsigned none = 0;
    for (const auto limit : {MYSQL_OPT_CONNECT_TIMEOUT, MYSQL_OPT_READ_TIMEOUT, MYSQL_OPT_WRITE_TIMEOUT})
        mysql_options(&mysql_, limit, &none);
}

// One step of the call that connects.
int Handle::step(std::function<int()> call) {
    never_block();
    stepping = this;
    side_stack_->run([this, call = std::move(call)] { step_returned_ = call(); });
    return step_result();
}

int Handle::step_result() {
    stepping = nullptr;
    if (!side_stack_->finished()) return step_waits_;
    if (step_returned_ == 0) {
        next_ = nullptr;
        side_stack_.reset();
        never_block();
    }
    return step_returned_;
}

// The library leaves the socket in blocking mode, which is of no account to its plain reads; but the TLS
// library would wait in them. Where the server's greeting is there as soon as the connection, the handshake
// begins before there is an occasion to change that: its first read then gives up after the shortest time
// there is.
void Handle::never_block() {
    const int fd = socket();
    if (fd < 0) return;
    const int flags = ::fcntl(fd, F_GETFL);
    if ((flags & O_NONBLOCK) == 0) (void)::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    const timeval shortest{0, 1000};
    (void)::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &shortest, sizeof shortest);
    (void)::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &shortest, sizeof shortest);
}

// Where the library would wait for the socket without returning. Returns 1 when it is ready, 0 when it is
// not: the library then gives up.
int Handle::wait_hook(my_socket, my_bool for_reading, int) {
    Handle* const self = stepping;
    if (self != nullptr && self->side_stack_) {
        self->never_block();
        self->step_waits_ = for_reading != 0 ? MYSQL_WAIT_READ : MYSQL_WAIT_WRITE;
        self->side_stack_->leave();
        if ((self->ready_ & (MYSQL_WAIT_READ | MYSQL_WAIT_WRITE)) != 0) return 1;
    }
    errno = ETIMEDOUT;
    return 0;
}

}  // namespace proxyd::mysql
