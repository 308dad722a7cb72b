// Host names -> addresses without blocking the loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backends/event/loop.h"

namespace proxyd {

struct Addresses {
    std::vector<std::string> addresses;  // numeric, IPv6 or IPv4, in the system's order of preference
    std::string error;                   // when there are none
};

// Asks the system's resolver (hosts file, name servers, whatever nsswitch.conf says) on threads of its own, one for
// each name being asked. Answers are kept for half a minute; when the name service does not answer, the last known
// addresses serve, however old, so that a hanging name server delays nobody who has an address.
class Resolver {
  public:
    using Callback = std::function<void(const Addresses&)>;

    explicit Resolver(Loop& loop);
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // Calls back from the loop, never before resolve() returns. Destroying the handle cancels.
    class Handle;
    [[nodiscard]] std::shared_ptr<Handle> resolve(const std::string& host, Callback callback);

    // What the threads call; tests put a slow one here.
    using Lookup = std::function<Addresses(const std::string& host)>;
    void set_lookup(Lookup lookup) { lookup_ = std::move(lookup); }

  private:
    struct Name {
        Addresses known;
        TimePoint known_at{};
        bool asking = false;
        std::vector<std::weak_ptr<Handle>> waiting;
    };
    struct Mailbox;

    void ask(const std::string& host);
    void answered(const std::string& host, const Addresses& answer);

    Loop& loop_;
    Lookup lookup_;
    std::map<std::string, Name> names_;
    std::shared_ptr<Mailbox> mailbox_;  // outlives the resolver when a thread hangs
};

}  // namespace proxyd
