// Translation of flags between clients and servers of different generations.
#include "backends/relay/translation.h"

#include <gtest/gtest.h>

namespace proxyd::relay {
namespace {

using protocol::Command;
using protocol::Flags;
using protocol::Layout;
using protocol::Reply;
using protocol::Request;
using protocol::Status;

constexpr Command commands[] = {Command::open, Command::lookup, Command::update, Command::remove,
                                Command::sequence};

Request newer(Command command, Flags instance, Flags flags) {
    return {command, Layout::instance_flags, "hash:a", instance, flags, "k", "v", {}};
}
Request older(Command command, Flags flags) {
    return {command, Layout::flags, "hash:a", 0, flags, "k", "v", {}};
}

TEST(RelayTranslation, WithinOneGenerationNothingChanges) {
    for (const auto command : commands) {
        for (const auto& request : {newer(command, 540736, 1589328), older(command, 524352)}) {
            EXPECT_FALSE(needs_opened_flags(request, request.layout));
            const auto sent = for_server(request, request.layout, 12345);
            EXPECT_EQ(sent.layout, request.layout);
            EXPECT_EQ(sent.instance_flags, request.instance_flags);
            EXPECT_EQ(sent.flags, request.flags);
            EXPECT_EQ(for_client(request, request.layout, Reply{Status::ok, 777, {}, "x"}).flags, 777U);
        }
    }
}

// A client of Postfix 3.11 checks UTF-8 itself if the reply to open does not say that the server does.
TEST(RelayTranslation, ANewerClientAtAnOlderServer) {
    const auto open = newer(Command::open, 540736, 0);
    EXPECT_EQ(for_server(open, Layout::flags, 0).flags, 0U);
    EXPECT_EQ(for_client(open, Layout::flags, {Status::ok, 16, {}, {}}).flags, 540736U | 16U);
    // The older server's other flags are left over from earlier requests.
    EXPECT_EQ(for_client(open, Layout::flags, {Status::ok, 16472 | 1064976, {}, {}}).flags, 540736U | 16U);
    const auto lookup = newer(Command::lookup, 540736, 1572944);
    EXPECT_EQ(for_server(lookup, Layout::flags, 0).flags, 524352U);
    EXPECT_EQ(for_server(lookup, Layout::flags, 0).layout, Layout::flags);
    EXPECT_EQ(for_client(lookup, Layout::flags, {Status::nokey, 0, {}, {}}).flags, 1572944U);
    EXPECT_EQ(for_client(newer(Command::update, 64, 64), Layout::flags, {Status::ok, 0, {}, {}}).flags, 448U);
    EXPECT_EQ(for_client(newer(Command::remove, 64, 64), Layout::flags, {Status::ok, 0, {}, {}}).flags, 320U);
}

TEST(RelayTranslation, AnOlderClientAtANewerServer) {
    const auto open = older(Command::open, 65536);
    EXPECT_FALSE(needs_opened_flags(open, Layout::instance_flags));
    EXPECT_EQ(for_server(open, Layout::instance_flags, 0).instance_flags, 65536U);
    for (const auto command : {Command::lookup, Command::update, Command::remove, Command::sequence}) {
        const auto request = older(command, 65536 | 540736);
        EXPECT_TRUE(needs_opened_flags(request, Layout::instance_flags));
        EXPECT_EQ(open_of(request).command, Command::open);
        EXPECT_EQ(open_of(request).flags, 65536U);
        const auto sent = for_server(request, Layout::instance_flags, 65536 | 28);
        EXPECT_EQ(sent.instance_flags, 65536U);
        // utf8_request is missing, as the table was opened without it.
        EXPECT_EQ(sent.flags, 65536U | 28U | 16448U);
        EXPECT_EQ(sent.key, "k");
    }
}

}  // namespace
}  // namespace proxyd::relay
