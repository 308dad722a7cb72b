#include "backends/event/resolver.h"

#include <algorithm>
#include <array>
#include <system_error>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

namespace proxyd {
namespace {

constexpr std::chrono::seconds fresh{30};
// If no connection to the addresses is left: the database may have moved.
constexpr std::chrono::seconds fresh_unused{1};
constexpr std::chrono::seconds renewal_interval{10};
constexpr std::chrono::seconds fresh_enough{60};    // serve while new ones are asked for
constexpr std::chrono::milliseconds patience{250};  // wait before older ones serve

bool is_numeric(const std::string& host) {
    std::array<unsigned char, sizeof(in6_addr)> address{};
    return inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
           inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

Addresses system_lookup(const std::string& host) {
    Addresses answer;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    const int status = getaddrinfo(host.c_str(), nullptr, &hints, &list);
    if (status != 0) {
        answer.error = "host name " + host + ": " + gai_strerror(status);
        return answer;
    }
    for (const auto* item = list; item != nullptr; item = item->ai_next) {
        std::array<char, NI_MAXHOST> text{};
        if (getnameinfo(item->ai_addr, item->ai_addrlen, text.data(), text.size(), nullptr, 0,
                        NI_NUMERICHOST) == 0) {
            if (std::find(answer.addresses.begin(), answer.addresses.end(), text.data()) ==
                answer.addresses.end()) {
                answer.addresses.emplace_back(text.data());
            }
        }
    }
    freeaddrinfo(list);
    if (answer.addresses.empty()) answer.error = "host name " + host + ": no address";
    return answer;
}

}  // namespace

class Resolver::Handle {
  public:
    explicit Handle(Callback callback) : callback_(std::move(callback)) {}

    void give(const Addresses& answer) {
        timer.reset();
        if (callback_) std::exchange(callback_, nullptr)(answer);
    }
    [[nodiscard]] bool given() const { return !callback_; }

    std::unique_ptr<Timer> timer;

  private:
    Callback callback_;
};

// The data that a thread may touch: the loop, as long as the resolver lives.
struct Resolver::Mailbox {
    std::mutex mutex;
    Resolver* resolver = nullptr;
};

Resolver::Resolver(Loop& loop)
    : loop_(loop),
      lookup_(system_lookup),
      renewal_(loop.make_timer([this] { renew(); })),
      mailbox_(std::make_shared<Mailbox>()) {
    mailbox_->resolver = this;
}

Resolver::~Resolver() {
    const std::lock_guard lock(mailbox_->mutex);
    mailbox_->resolver = nullptr;
}

std::shared_ptr<Resolver::Handle> Resolver::resolve(const std::string& host, Callback callback) {
    auto handle = std::make_shared<Handle>(std::move(callback));
    const std::weak_ptr<Handle> weak = handle;
    const auto give_soon = [this, weak](Addresses answer) {
        loop_.defer([weak, answer = std::move(answer)] {
            if (const auto waiting = weak.lock()) waiting->give(answer);
        });
    };
    if (is_numeric(host)) {
        give_soon({{host}, ""});
        return handle;
    }
    auto& name = names_[host];
    const auto now = loop_.now();
    std::erase_if(name.users, [](const auto& user) { return user.expired(); });
    const auto lasting = name.users.empty() ? fresh_unused : fresh;
    name.users.push_back(weak);
    if (!renewal_->running()) renewal_->start(renewal_interval);
    const bool known = !name.known.addresses.empty();
    if (known && serves_at_once(name)) {
        give_soon(name.known);
    } else {
        if (known) {
            handle->timer = loop_.make_timer([this, weak, host] {
                if (const auto waiting = weak.lock()) waiting->give(names_[host].known);
            });
            handle->timer->start(patience);
        }
        name.waiting.push_back(weak);
    }
    if (!name.asking && !(known && now - name.known_at < lasting)) ask(host);
    return handle;
}

// Whether the known addresses serve at once: they are fresh enough, or waiting would gain nothing.
bool Resolver::serves_at_once(const Name& name) const {
    const auto now = loop_.now();
    return now - name.known_at < fresh_enough || name.failed ||
           (name.asking && now - name.asked_at >= patience);
}

std::size_t Resolver::asking() const {
    return static_cast<std::size_t>(
        std::count_if(names_.begin(), names_.end(), [](const auto& item) { return item.second.asking; }));
}

void Resolver::renew() {
    bool any_used = false;
    for (auto& [host, name] : names_) {
        std::erase_if(name.users, [](const auto& user) { return user.expired(); });
        if (name.users.empty()) continue;
        any_used = true;
        if (!name.asking && loop_.now() - name.known_at >= fresh) ask(host);
    }
    if (any_used) renewal_->start(renewal_interval);
}

void Resolver::ask(const std::string& host) {
    auto& name = names_[host];
    name.asking = true;
    name.asked_at = loop_.now();
    try {
        std::thread([mailbox = mailbox_, lookup = lookup_, host] {
            auto answer = lookup(host);
            const std::lock_guard lock(mailbox->mutex);
            if (mailbox->resolver == nullptr) return;
            mailbox->resolver->loop_.post([mailbox, host, answer = std::move(answer)] {
                // This runs in the loop's thread, which also destroys the resolver.
                if (mailbox->resolver != nullptr) mailbox->resolver->answered(host, answer);
            });
        }).detach();
    } catch (const std::system_error& error) {
        loop_.defer([mailbox = mailbox_, host, message = std::string(error.what())] {
            if (mailbox->resolver != nullptr) {
                mailbox->resolver->answered(
                    host, {{}, "host name " + host + ": no thread to look it up: " + message});
            }
        });
    }
}

void Resolver::answered(const std::string& host, const Addresses& answer) {
    auto& name = names_[host];
    name.asking = false;
    name.failed = answer.addresses.empty();
    if (!answer.addresses.empty() || name.known.addresses.empty()) {
        name.known = answer;
        name.known_at = loop_.now();
    }
    const auto waiting = std::exchange(name.waiting, {});
    const auto given = name.known;
    for (const auto& weak : waiting) {
        if (const auto handle = weak.lock(); handle && !handle->given()) handle->give(given);
    }
}

}  // namespace proxyd
