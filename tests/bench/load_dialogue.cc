// The requests of the clients, and their judgement of the replies.
#include <algorithm>

#include "tests/bench/load_run.h"

namespace proxyd::bench {

namespace {

using protocol::Status;

constexpr std::size_t reply_bytes_limit = std::size_t{1} << 26;

std::string lowercase(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return text;
}

}  // namespace

void Load::begin_turn(Client& client) {
    client.wanted = &options_.keys[random_() % options_.keys.size()];
    client.started = SteadyClock::now();
}

void Load::next_request(Client& client) {
    if (client.opened) {
        const std::string& key = client.wanted->first;
        client.state = State::lookup;
        protocol::append(client.out, client.flags.client_folds()
                                         ? client.flags.lookup(options_.table, lowercase(key))
                                         : client.flags.lookup(options_.table, key));
    } else {
        client.state = State::open;
        protocol::append(client.out, client.flags.open(options_.table));
    }
    send(client);
}

bool Load::understand(Client& client) {
    if (client.state == State::greeting) {
        const auto greeting = protocol::decode_greeting(client.in);
        if (greeting == protocol::GreetingDecoded::incomplete) {
            return false;
        }
        if (greeting == protocol::GreetingDecoded::other) {
            ++report_.malformed;
            lose(client);
            return false;
        }
        client.in.erase(0, protocol::greeting.size());
        count_greeted(client);
        next_request(client);
        return true;
    }
    const bool open = client.state == State::open;
    const auto result =
        protocol::decode_reply(client.in, open ? protocol::Command::open : protocol::Command::lookup,
                               options_.layout, {reply_bytes_limit});
    if (result.outcome == protocol::ReplyDecoded::incomplete) {
        return false;
    }
    if (result.outcome == protocol::ReplyDecoded::malformed || result.consumed != client.in.size()) {
        ++report_.malformed;
        lose(client);
        return false;
    }
    if (open && result.reply.status != Status::ok) {
        if (counting_) {
            ++report_.wrong;
        }
        disconnect(client);
        connect_later(client, reconnect_delay);
        return false;
    }
    if (open) {
        client.flags.opened(result.reply.flags);
        client.opened = true;
    } else {
        client.flags.replied(result.reply.flags);
        count(client, result.reply);
    }
    client.in.clear();
    if (options_.hold && !open) {
        hold(client);
        return false;
    }
    begin_turn(client);
    if (options_.open_close || is_stale(client)) {
        if (!options_.open_close && counting_) {
            ++report_.renewed;
        }
        disconnect(client);
        connect(client);
        return false;
    }
    next_request(client);
    return true;
}

void Load::count_greeted(Client& client) {
    if (!std::exchange(client.greeted, true) && ++report_.greeted == options_.clients) {
        report_.all_greeted = SteadyClock::now() - started_;
    }
}

void Load::hold(Client& client) {
    client.state = State::held;
    done_ = ++held_ == options_.clients;
}

void Load::count(const Client& client, const protocol::Reply& reply) {
    if (!counting_) {
        return;
    }
    report_.latencies.add(now_ - client.started);
    const std::string& expected = client.wanted->second;
    const bool right_value = expected.empty() ? !reply.value.empty() : reply.value == expected;
    bool wrong = options_.expect_miss;
    switch (reply.status) {
        case Status::ok:
            ++report_.ok;
            wrong = wrong || !right_value;
            break;
        case Status::nokey:
            ++report_.nokey;
            wrong = !wrong;
            break;
        case Status::retry:
            ++report_.retry;
            wrong = false;
            break;
        case Status::bad:
        case Status::deny:
        case Status::config:
            ++report_.other;
            wrong = true;
            break;
    }
    report_.wrong += wrong ? 1 : 0;
    done_ = options_.lookups != 0 && report_.lookups() >= options_.lookups;
}

}  // namespace proxyd::bench
