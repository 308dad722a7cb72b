// Host names -> addresses without blocking the loop.
#pragma once

#include <cstddef>
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
    std::string error;                   // set when there are none
};

// Asks the system's resolver (hosts file, name servers, whatever nsswitch.conf says) on threads of its own,
// one for each name being asked. Answers are kept for half a minute, or for a second when no connection to
// these addresses is left; they are renewed while there is a connection. When the name service does not
// answer, the last known addresses serve, however old: a hanging name server does not delay names whose
// addresses are known.
class Resolver {
  public:
    using Callback = std::function<void(const Addresses&)>;

    explicit Resolver(Loop& loop);
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // Calls back from the loop, never before resolve() returns. Destroying the handle cancels the lookup. A
    // caller that keeps the handle for as long as its connection lasts gets recent addresses at once the next
    // time.
    class Handle;
    [[nodiscard]] std::shared_ptr<Handle> resolve(const std::string& host, Callback callback);

    // Number of names that the name service has not answered yet.
    [[nodiscard]] std::size_t asking() const;

    // The function that the threads call; tests put a slow one here.
    using Lookup = std::function<Addresses(const std::string& host)>;
    void set_lookup(Lookup lookup) { lookup_ = std::move(lookup); }

  private:
    struct Name {
        Addresses known;
        TimePoint known_at{};
        bool asking = false;
        TimePoint asked_at{};  // time of the last query
        bool failed = false;   // the last query gave no address
        std::vector<std::weak_ptr<Handle>> waiting;
        std::vector<std::weak_ptr<Handle>> users;  // including the waiting ones
    };
    struct Mailbox;

    [[nodiscard]] bool serves_at_once(const Name& name) const;
    void ask(const std::string& host);
    void renew();
    void answered(const std::string& host, const Addresses& answer);

    Loop& loop_;
    Lookup lookup_;
    std::map<std::string, Name> names_;
    std::unique_ptr<Timer> renewal_;
    std::shared_ptr<Mailbox> mailbox_;  // outlives the resolver when a thread hangs
};

}  // namespace proxyd
