#include "backends/relay/translation.h"

namespace proxyd::relay {

namespace flag = protocol::flag;
using protocol::Command;
using protocol::Flags;
using protocol::Layout;
using protocol::Reply;
using protocol::Request;

namespace {

// The identity of an open table in the older layout.
Flags identity(Flags flags) {
    return flags & ~(flag::implementation | flag::requested);
}

}  // namespace

bool needs_opened_flags(const Request& request, Layout server) {
    return request.layout == Layout::flags && server == Layout::instance_flags &&
           request.command != Command::open;
}

Request open_of(const Request& request) {
    Request open;
    open.command = Command::open;
    open.layout = request.layout;
    open.table = request.table;
    open.instance_flags = request.instance_flags;
    open.flags = request.layout == Layout::flags ? identity(request.flags) : 0;
    return open;
}

Request for_server(const Request& request, Layout server, Flags opened) {
    if (request.layout == server) return request;
    Request out = request;
    out.layout = server;
    if (server == Layout::instance_flags) {
        out.instance_flags = identity(request.flags);
        // The older client checks and folds UTF-8 itself, so the server's table was opened without UTF-8.
        out.flags = (opened & ~flag::requested) | (request.flags & flag::requested & ~flag::utf8_request);
    } else {
        out.flags = identity(request.instance_flags);
        if (request.command != Command::open) out.flags |= request.flags & flag::requested;
    }
    return out;
}

Reply for_client(const Request& request, Layout server, const Reply& reply) {
    Reply out = reply;
    if (request.layout == Layout::instance_flags && server == Layout::flags) {
        // Without utf8_active in the reply to open, the client checks and folds UTF-8 itself.
        out.flags = request.command == Command::open
                        ? request.instance_flags | (reply.flags & flag::implementation)
                        : protocol::echoed_flags(request);
    }
    return out;
}

}  // namespace proxyd::relay
