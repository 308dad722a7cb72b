// A server that says what a script says, one packet after each thing it hears, and then nothing any more.
// `hang_up`: it closes the connection after the last one.
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace proxyd {

class ScriptedServer {
  public:
    explicit ScriptedServer(std::vector<std::string> script, bool hang_up = false)
        : script_(std::move(script)),
          hang_up_(hang_up),
          listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        (void)::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
        (void)::listen(listener_, 64);
        socklen_t size = sizeof address;
        (void)::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = std::to_string(ntohs(address.sin_port));
        thread_ = std::thread([this] { serve(); });
    }
    ~ScriptedServer() {
        (void)::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        (void)::close(listener_);
    }
    ScriptedServer(const ScriptedServer&) = delete;
    ScriptedServer& operator=(const ScriptedServer&) = delete;

    [[nodiscard]] const std::string& port() const { return port_; }

    // How many connections it has had.
    [[nodiscard]] int accepted() const { return accepted_; }

    // What a MySQL server says first (protocol 10).
    static std::string greeting(const std::string& plugin, bool tls = false) {
        const std::string salt(8, 's');
        std::string text = "\x0a" + std::string("8.4.0") + '\0' + std::string("\1\0\0\0", 4) + salt + '\0';
        text += '\xff';
        text += tls ? '\xff' : '\xf7';  // the capabilities; 0x0800 is TLS
        text += std::string("\x2d\x02\0\x0f\0\x15", 6) + std::string(10, '\0');
        text += std::string(12, 't') + '\0' + plugin + '\0';
        return packet(0, text);
    }
    // "Authenticate in another way."
    static std::string switch_to(const std::string& plugin) {
        return packet(2, '\xfe' + plugin + '\0' + std::string(20, 'u') + '\0');
    }
    // "Done"; `number` is that of the packet in its exchange.
    static std::string ok(char number) { return packet(number, std::string("\0\0\0\2\0\0\0", 7)); }
    // An answer of one row with one value.
    static std::string rows(const std::string& value) {
        return columns() + packet(4, text(value)) + packet(5, end_of_part());
    }
    static std::string no_rows() { return columns() + packet(4, end_of_part()); }
    static std::string refusal() { return error(4, 1045, "28000"); }
    static std::string error(char number, int code, const std::string& sqlstate) {
        const std::string bytes{static_cast<char>(code & 0xff), static_cast<char>(code >> 8)};
        return packet(number, "\xff" + bytes + "#" + sqlstate + "refused");
    }

  private:
    static std::string text(const std::string& part) { return static_cast<char>(part.size()) + part; }
    static std::string end_of_part() { return std::string("\xfe\0\0\2\0", 5); }
    static std::string columns() {
        const auto column = text("def") + text("") + text("") + text("") + text("v") + text("") +
                            std::string("\x0c\x2d\0\xff\0\0\0\xfd\0\0\0\0\0", 13);
        return packet(1, "\1") + packet(2, column) + packet(3, end_of_part());
    }

    struct Client {
        int fd;
        std::size_t next;
    };

    static std::string packet(char number, const std::string& text) {
        std::string head(4, '\0');
        head[0] = static_cast<char>(text.size() & 0xff);
        head[1] = static_cast<char>(text.size() >> 8);
        head[3] = number;
        return head + text;
    }

    void serve() {
        std::vector<Client> clients;
        for (;;) {
            std::vector<pollfd> watched{{listener_, POLLIN, 0}};
            for (const auto& client : clients) watched.push_back({client.fd, POLLIN, 0});
            (void)::poll(watched.data(), watched.size(), -1);
            if ((watched.front().revents & ~POLLIN) != 0) break;
            for (std::size_t i = 1; i < watched.size(); ++i) {
                if (watched[i].revents != 0) hear(clients[i - 1]);
            }
            std::erase_if(clients, [](const Client& client) { return client.fd < 0; });
            if (watched.front().revents == POLLIN) {
                clients.push_back({::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC), 0});
                if (clients.back().fd < 0) break;
                ++accepted_;
                say(clients.back());
            }
        }
        for (const auto& client : clients) {
            if (client.fd >= 0) (void)::close(client.fd);
        }
    }
    void hear(Client& client) {
        char buffer[4096];
        if (::recv(client.fd, buffer, sizeof buffer, 0) <= 0) {
            (void)::close(client.fd);
            client.fd = -1;
        } else {
            say(client);
        }
    }
    void say(Client& client) {
        if (client.next >= script_.size()) return;
        const auto& text = script_[client.next++];
        (void)::send(client.fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (client.next == script_.size() && hang_up_) (void)::shutdown(client.fd, SHUT_RDWR);
    }

    std::vector<std::string> script_;
    bool hang_up_;
    std::atomic<int> accepted_{0};
    int listener_;
    std::string port_;
    std::thread thread_;
};

}  // namespace proxyd
