#include "proxyd/channel/commands.h"

#include <exception>
#include <utility>

#include <fmt/format.h>

namespace proxyd::channel {

using nlohmann::json;

json failure(std::string_view why) {
    return {{"ok", false}, {"error", why}};
}

// Table names are bytes of any encoding.
std::string line_of(const json& message) {
    return message.dump(-1, ' ', false, json::error_handler_t::replace);
}

void Commands::add(std::string name, Command command) {
    add_slow(std::move(name), [command = std::move(command)](const json& request, const Caller& caller,
                                                             const ReplyCallback& reply) {
        auto members = command(request, caller);
        members["ok"] = true;
        reply(std::move(members));
    });
}

void Commands::add_slow(std::string name, SlowCommand command) {
    commands_.emplace(std::move(name), std::move(command));
}

void Commands::answer(const std::string& line, const Caller& caller, const ReplyCallback& reply) const {
    answer(json::parse(line, nullptr, false), caller, reply);
}

void Commands::answer(const json& request, const Caller& caller, const ReplyCallback& reply) const {
    if (!request.is_object() || !request.contains("command") || !request["command"].is_string()) {
        return reply(failure("the request is no JSON object with a command"));
    }
    const auto name = request["command"].get<std::string>();
    const auto found = commands_.find(name);
    if (found == commands_.end()) return reply(failure(fmt::format("there is no command \"{}\"", name)));
    try {
        found->second(request, caller, reply);
    } catch (const std::exception& error) {
        reply(failure(error.what()));
    }
}

}  // namespace proxyd::channel
