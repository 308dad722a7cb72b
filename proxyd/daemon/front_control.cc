#include "proxyd/daemon/front_control.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "proxyd/channel/path.h"

namespace proxyd {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds worker_patience{1};

}  // namespace

struct FrontControl::Question {
    long long id;
    Join join;
    channel::ReplyCallback reply;
    std::vector<WorkerAnswer> answers;
    std::set<int> awaited;  // the workers without an answer
    std::unique_ptr<Timer> patience;
};

FrontControl::FrontControl(Loop& loop, std::vector<master::SupervisedProcess>& workers, ProcessFacts process,
                           const std::string& service_socket)
    : loop_(loop),
      workers_(workers),
      process_(std::move(process)),
      server_(loop, channel::path_beside(service_socket)) {
    server_.commands().add_slow(
        "status", [this](const json& request, const channel::Caller& caller, channel::ReplyCallback reply) {
            ask(
                request, caller, [this](const auto& answers) { return joined_status(process_, answers); },
                std::move(reply));
        });
    server_.commands().add_slow(
        "flush", [this](const json& request, const channel::Caller& caller, channel::ReplyCallback reply) {
            ask(request, caller, joined_flush, std::move(reply));
        });
}

FrontControl::~FrontControl() = default;

void FrontControl::ask(json request, const channel::Caller& caller, Join join, channel::ReplyCallback reply) {
    const auto id = ++last_id_;
    request["id"] = id;
    request["caller"] = caller.process;
    const auto line = channel::line_of(request);
    auto& question =
        questions_.emplace_back(Question{id, std::move(join), std::move(reply), {}, {}, nullptr});
    for (auto& worker : workers_) {
        question.answers.push_back(without_reply(worker));
        if (worker.is_alive() && worker.link().send(line)) question.awaited.insert(worker.index());
    }
    question.patience = loop_.make_timer([this, id] { finish(id); });
    question.patience->start(question.awaited.empty() ? Duration::zero() : Duration(worker_patience));
}

WorkerAnswer FrontControl::without_reply(const master::SupervisedProcess& worker) const {
    return {worker.process(), worker.starts() > 0 ? worker.starts() - 1 : 0, std::nullopt};
}

void FrontControl::told(int worker, const std::string& line) {
    auto reply = json::parse(line, nullptr, false);
    if (!reply.is_object()) return;
    const auto id = reply.value("id", 0LL);
    const auto found = std::find_if(questions_.begin(), questions_.end(),
                                    [id](const Question& question) { return question.id == id; });
    if (found == questions_.end()) return;
    const auto place = static_cast<std::size_t>(worker);
    reply.erase("id");
    found->answers[place].reply = std::move(reply);
    found->awaited.erase(worker);
    if (found->awaited.empty()) finish(id);
}

void FrontControl::died(int worker) {
    for (auto& question : questions_) {
        if (question.awaited.erase(worker) == 0) continue;
        question.answers[static_cast<std::size_t>(worker)].process = 0;
        // The loop calls back, so that the list stays as it is here.
        if (question.awaited.empty()) question.patience->start(Duration::zero());
    }
}

void FrontControl::finish(long long id) {
    const auto found = std::find_if(questions_.begin(), questions_.end(),
                                    [id](const Question& question) { return question.id == id; });
    if (found == questions_.end()) return;
    const auto reply = std::move(found->reply);
    auto members = found->join(found->answers);
    // Its own timer may be the caller.
    loop_.defer([patience = std::shared_ptr<Timer>(std::move(found->patience))] {});
    questions_.erase(found);
    reply(std::move(members));
}

}  // namespace proxyd
