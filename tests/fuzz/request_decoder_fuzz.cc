// The input is what a client sends on one connection.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/request_decoder.h"
#include "tests/fuzz/require.h"

namespace {

using namespace proxyd::protocol;

struct Seen {
    Decoded outcome;
    Request request;  // views into the input
    std::string problem;
    std::size_t consumed;

    bool operator==(const Seen& other) const {
        const Request& a = request;
        const Request& b = other.request;
        return outcome == other.outcome && problem == other.problem && same(a.table, b.table) &&
               same(a.key, b.key) && same(a.value, b.value) && a.command == b.command &&
               a.layout == b.layout && a.instance_flags == b.instance_flags && a.flags == b.flags &&
               a.function == b.function &&
               // The consumed size of an overlong message depends on the pieces.
               (consumed == other.consumed || outcome == Decoded::too_long);
    }

    // True if both views are the same place in the input, not just the same text.
    static bool same(std::string_view a, std::string_view b) { return a == b && a.data() == b.data(); }
};

void require_inside(std::string_view buffer, std::string_view view) {
    if (!view.empty()) {
        const std::less_equal<> before;
        require(before(buffer.data(), view.data()));
        require(before(view.data() + view.size(), buffer.data() + buffer.size()));
    }
}

void require_same_after_encoding(const Request& request) {
    std::string encoded;
    append(encoded, request);
    RequestDecoder decoder{{encoded.size()}};
    const DecodeResult again = decoder.decode(encoded);
    require(again.outcome == Decoded::request);
    require(again.problem.empty());
    require(again.consumed == encoded.size());
    std::string twice;
    append(twice, again.request);
    require(twice == encoded);
    require(again.request.key == request.key || request.command == Command::open ||
            request.command == Command::sequence);
    require(again.request.table == request.table);
}

// The requests that a connection decodes when the input arrives in pieces of the sizes from `next_piece`.
std::vector<Seen> decode(std::string_view input, Limits limits,
                         const std::function<std::size_t()>& next_piece) {
    std::vector<Seen> seen;
    RequestDecoder decoder{limits};
    std::size_t begin = 0;
    std::size_t end = 0;
    do {
        end += std::min(next_piece(), input.size() - end);
        while (true) {
            const std::string_view buffer = input.substr(begin, end - begin);
            const DecodeResult result = decoder.decode(buffer);
            require(result.consumed <= buffer.size());
            require((result.outcome == Decoded::incomplete) == (result.consumed == 0));
            require_inside(buffer, result.request.table);
            require_inside(buffer, result.request.key);
            require_inside(buffer, result.request.value);
            if (result.outcome == Decoded::incomplete) {
                require(buffer.size() <= limits.message_bytes);
                break;
            }
            require(result.outcome == Decoded::request || !result.problem.empty());
            require(result.problem.size() < 1000);
            if (result.outcome == Decoded::request) {
                require_same_after_encoding(result.request);
            }
            seen.push_back({result.outcome, result.request, result.problem, result.consumed});
            if (result.outcome == Decoded::too_long) {
                return seen;  // the server closes the connection here
            }
            begin += result.consumed;
        }
    } while (end < input.size());
    return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input{reinterpret_cast<const char*>(data), size};
    for (const Limits limits : {Limits{}, Limits{64}}) {
        const auto whole = decode(input, limits, [&] { return size; });
        require(decode(input, limits, [] { return 1; }) == whole);
        const std::size_t step = 1 + size / 4;  // the random pieces below split elsewhere, too
        for (std::size_t split = 0; split < size; split += step) {
            require(decode(input, limits, [&, first = true]() mutable {
                        return std::exchange(first, false) ? split : size;
                    }) == whole);
        }
        std::uint64_t random = std::hash<std::string_view>{}(input);
        require(decode(input, limits, [&] {
                    random = random * 6364136223846793005U + 1442695040888963407U;
                    return static_cast<std::size_t>(random >> 60);
                }) == whole);
    }
    return 0;
}
