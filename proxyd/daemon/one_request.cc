#include "proxyd/daemon/one_request.h"

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <unistd.h>

#include "protocol/message.h"

namespace proxyd {
namespace {

std::string read_request(const protocol::Limits& limits) {
    std::string request;
    std::array<char, 4096> buffer;
    protocol::RequestDecoder decoder(limits);
    while (decoder.decode(request).outcome == protocol::Decoded::incomplete) {
        const auto got = read(STDIN_FILENO, buffer.data(), buffer.size());
        if (got <= 0) break;
        request.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return request;
}

void write_all(std::string_view text) {
    while (!text.empty()) {
        const auto written = write(STDOUT_FILENO, text.data(), text.size());
        if (written <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

struct OneRequester final : server::Requester {
    explicit OneRequester(std::function<void(const protocol::Reply&)> done) : answered_(std::move(done)) {}
    void answered(const server::Answer& answer) override { answered_(answer.reply); }
    std::function<void(const protocol::Reply&)> answered_;
};

}  // namespace

int answer_one_request(EventLoop& loop, server::Service& service, const protocol::Limits& limits) {
    const auto text = read_request(limits);
    const auto decoded = protocol::RequestDecoder(limits).decode(text);
    std::string out;
    const auto append = [&](const protocol::Reply& reply) {
        protocol::append(out, decoded.request.command, decoded.request.layout, reply);
    };
    if (decoded.outcome == protocol::Decoded::request) {
        std::shared_ptr<const server::ServedTable> table;
        service.serve(decoded.request, table,
                      std::make_shared<OneRequester>([&](const protocol::Reply& reply) {
                          append(reply);
                          loop.stop();
                      }));
        loop.run();
    } else if (decoded.outcome == protocol::Decoded::unknown_request) {
        protocol::append_unknown_request_reply(out);
    } else if (decoded.outcome == protocol::Decoded::malformed) {
        append({protocol::Status::bad, 0, {}, {}});
    }
    write_all(out);
    return 0;
}

}  // namespace proxyd
