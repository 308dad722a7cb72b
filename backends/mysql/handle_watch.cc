#include "backends/mysql/handle_watch.h"

#include <utility>

namespace proxyd::mysql {

HandleWatch::HandleWatch(Loop& loop, std::function<void(int)> woken)
    : loop_(loop),
      woken_(std::move(woken)),
      timer_(loop.make_timer([this] { woken_(MYSQL_WAIT_TIMEOUT); })) {}

void HandleWatch::wait_for(Handle& handle, int waits) {
    const int fd = handle.socket();
    if (fd >= 0 && (fd != fd_ || !watch_)) {
        watch_.reset();
        fd_ = fd;
        watch_ = loop_.watch(fd, [this](Ready ready) {
            woken_((ready.read ? MYSQL_WAIT_READ : 0) | (ready.write ? MYSQL_WAIT_WRITE : 0));
        });
    }
    if (watch_)
        watch_->want((waits & (MYSQL_WAIT_READ | MYSQL_WAIT_EXCEPT)) != 0, (waits & MYSQL_WAIT_WRITE) != 0);
    if ((waits & MYSQL_WAIT_TIMEOUT) != 0) {
        timer_->start(std::chrono::milliseconds(mysql_get_timeout_value_ms(handle.get())));
        timed_ = true;
    } else if (std::exchange(timed_, false)) {
        timer_->stop();
    }
}

void HandleWatch::drop_if_closed(Handle& handle) {
    if (!watch_ || handle.socket() == fd_) return;
    watch_.reset();
    fd_ = -1;
}

void HandleWatch::stop() {
    timer_->stop();
    watch_.reset();
    fd_ = -1;
}

}  // namespace proxyd::mysql
