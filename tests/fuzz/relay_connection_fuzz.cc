// The input is what a stock server sends. The first byte selects the request, and where the bytes are split.
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "backends/event/event_loop.h"
#include "backends/relay/connection.h"
#include "backends/relay/translation.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/socket_in_directory.h"

namespace {

using namespace proxyd;
using protocol::Command;
using protocol::Layout;

constexpr std::array commands{Command::open, Command::lookup, Command::update, Command::remove,
                              Command::sequence};

// One connection, from connect to the first reply or to the end of the connection. One of these always comes,
// because the server closes when it has sent its bytes.
class Dialogue {
  public:
    Dialogue(unsigned choice, std::string_view bytes) : bytes_(bytes), connection_(loop(), events()) {
        request_.command = commands[choice % commands.size()];
        request_.layout = choice & 8 ? Layout::instance_flags : Layout::flags;
        request_.table = "hash:/etc/aliases";
        request_.key = "key";
        first_piece_ = std::min<std::size_t>(bytes.size(), choice >> 4);
        const auto greeting = choice & 1 ? protocol::Greeting::yes : protocol::Greeting::no;
        if (connection_.connect(socket().path(), greeting) != 0) throw std::runtime_error("cannot connect");
        server_ = socket().accept();
        server_.send(bytes.substr(0, first_piece_));
        if (first_piece_ == 0) send_rest();
        loop().defer([this] { send_rest(); });
    }

    void run() {
        loop().run();
        require(ends_ == 1);
    }

  private:
    static EventLoop& loop() {
        static EventLoop loop;
        return loop;
    }
    static fuzz::SocketInDirectory& socket() {
        static fuzz::SocketInDirectory socket;
        return socket;
    }

    relay::Connection::Events events() {
        return {[this] {
                    require(!asked_);
                    asked_ = connection_.send(request_);
                    if (asked_) return;
                    connection_.close();  // as the relay does
                    end();
                },
                [this](const protocol::Reply& reply) {
                    require(asked_);
                    for (const Layout client : {Layout::flags, Layout::instance_flags}) answer(client, reply);
                    end();
                },
                [this](const std::string& reason) {
                    require(!reason.empty());
                    end();
                }};
    }

    // Translates the reply for a client of this layout.
    void answer(Layout layout, const protocol::Reply& reply) const {
        auto asked = request_;
        asked.layout = layout;
        const auto translated = relay::for_client(asked, request_.layout, reply);
        require(translated.status == reply.status);
        std::string encoded;
        protocol::append(encoded, asked.command, layout, translated);
        require(!encoded.empty());
    }

    void send_rest() {
        server_.send(bytes_.substr(first_piece_));
        server_.close();
    }

    void end() {
        ++ends_;
        loop().stop();
    }

    std::string_view bytes_;
    std::size_t first_piece_ = 0;
    relay::Connection connection_;
    fuzz::Peer server_;
    protocol::Request request_;
    bool asked_ = false;
    int ends_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
    Dialogue(data[0], bytes).run();
    return 0;
}
