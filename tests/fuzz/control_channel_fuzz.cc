// The input is both a request of proxyctl on the control channel, and the daemon's reply to it.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <sys/socket.h>

#include "backends/event/event_loop.h"
#include "proxyd/channel/client.h"
#include "proxyd/channel/server.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/socket_in_directory.h"

namespace {

using namespace proxyd;

class Daemon {
  public:
    Daemon() {
        server_.commands().add("echo", [](const nlohmann::json& request, const channel::Caller& caller) {
            require(caller.process == getpid());
            return nlohmann::json{{"request", request}};
        });
        server_.commands().add("odd",
                               [](const nlohmann::json& request, const channel::Caller&) { return request; });
    }

    // Sends a request; returns the bytes until the daemon closes the connection.
    std::string ask(std::string_view request) {
        const auto client = fuzz::connect_to(path_);
        client.send(request);
        shutdown(client.fd(), SHUT_WR);
        std::string answer;
        const auto watch = loop_.watch(client.fd(), [&](Ready) {
            std::array<char, 65536> buffer;
            const auto got = recv(client.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (got > 0) answer.append(buffer.data(), static_cast<std::size_t>(got));
            if (got <= 0) loop_.stop();
        });
        watch->want(true, false);
        loop_.run();
        return answer;
    }

  private:
    fuzz::Directory directory_;
    std::string path_ = directory_.file("control");
    EventLoop loop_;
    channel::Server server_{loop_, path_};
};

void require_good_answer(std::string_view request, const std::string& answer) {
    if (request.find('\n') == std::string_view::npos) {
        require(answer.empty());
        return;
    }
    require(answer.ends_with('\n') && answer.find('\n') + 1 == answer.size());
    const auto reply = nlohmann::json::parse(answer);
    require(reply.is_object() && reply.at("ok").is_boolean());
    require(reply["ok"] || reply.at("error").is_string());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Daemon daemon;
    const std::string_view input{reinterpret_cast<const char*>(data), size};
    require_good_answer(input, daemon.ask(input));
    try {
        const auto reply = channel::read_reply(input);
        require(reply.is_object() && !reply.contains("ok"));
    } catch (const channel::AskError& error) {
        require(error.what()[0] != '\0');
    }
    return 0;
}
