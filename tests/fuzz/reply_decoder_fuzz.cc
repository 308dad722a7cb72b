// The input is what a server sends: a greeting, or a reply to any request.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/client_session.h"
#include "tests/fuzz/require.h"

namespace {

using namespace proxyd::protocol;

bool inside(std::string_view buffer, std::string_view view) {
    return view.empty() ||
           (buffer.data() <= view.data() && view.data() + view.size() <= buffer.data() + buffer.size());
}

std::string encoded(Command command, Layout layout, const Reply& reply) {
    std::string out;
    append(out, command, layout, reply);
    return out;
}

void check_reply(std::string_view input, Command command, Layout layout) {
    const ReplyResult whole = decode_reply(input, command, layout);
    require(whole.consumed <= input.size());
    require((whole.outcome == ReplyDecoded::incomplete) == (whole.consumed == 0));
    require((whole.outcome == ReplyDecoded::malformed) == !whole.problem.empty());
    require(inside(input, whole.reply.key) && inside(input, whole.reply.value));
    const std::size_t message = whole.outcome == ReplyDecoded::incomplete ? input.size() + 1 : whole.consumed;
    const std::size_t step = 1 + input.size() / 64;
    for (std::size_t cut = 0; cut < message && cut <= input.size(); cut += step) {
        require(decode_reply(input.substr(0, cut), command, layout).outcome == ReplyDecoded::incomplete);
    }
    if (whole.outcome == ReplyDecoded::reply) {
        const std::string again = encoded(command, layout, whole.reply);
        const ReplyResult second = decode_reply(again, command, layout);
        require(second.outcome == ReplyDecoded::reply);
        require(second.consumed == again.size());
        require(encoded(command, layout, second.reply) == again);
        require(second.reply.status == whole.reply.status);
        require(second.reply.value == whole.reply.value);
    }
    const ReplyResult limited = decode_reply(input, command, layout, {16});
    require(limited.outcome == ReplyDecoded::malformed || input.size() <= 16 || whole.consumed <= 16);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input{reinterpret_cast<const char*>(data), size};
    for (const Layout layout : {Layout::flags, Layout::instance_flags}) {
        for (const Command command :
             {Command::open, Command::lookup, Command::update, Command::remove, Command::sequence}) {
            check_reply(input, command, layout);
        }
    }
    const bool is_greeting = input.substr(0, greeting.size()) == greeting;
    const bool may_become = size < greeting.size() && greeting.substr(0, size) == input;
    require(decode_greeting(input) == (is_greeting  ? GreetingDecoded::complete
                                       : may_become ? GreetingDecoded::incomplete
                                                    : GreetingDecoded::other));
    return 0;
}
