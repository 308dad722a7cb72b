// The control channel in the front process: what proxyctl asks is asked of all workers.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "proxyd/channel/server.h"
#include "proxyd/daemon/joined_report.h"
#include "proxyd/master/supervised_process.h"

namespace proxyd {

// Sends each request, with an "id" and the asking process as "caller", on one line to the workers that live,
// and joins their replies, which bear the id. A worker has a second for its reply. Neither it nor a client
// that does not read holds up anybody else.
class FrontControl {
  public:
    // Listens beside `service_socket`. The loop and the workers outlive this. Throws std::runtime_error.
    FrontControl(Loop& loop, std::vector<master::SupervisedProcess>& workers, ProcessFacts process,
                 const std::string& service_socket);
    ~FrontControl();
    FrontControl(const FrontControl&) = delete;
    FrontControl& operator=(const FrontControl&) = delete;

    // A line of this worker has come.
    void told(int worker, const std::string& line);
    // It answers nothing any more.
    void died(int worker);

    // Called in a forked child, before destruction there.
    void leave_file_to_parent() { server_.leave_file_to_parent(); }

  private:
    using Join = std::function<nlohmann::json(const std::vector<WorkerAnswer>& answers)>;
    struct Question;

    void ask(nlohmann::json request, const channel::Caller& caller, Join join, channel::ReplyCallback reply);
    void finish(long long id);
    [[nodiscard]] WorkerAnswer without_reply(const master::SupervisedProcess& worker) const;

    Loop& loop_;
    std::vector<master::SupervisedProcess>& workers_;
    ProcessFacts process_;
    channel::Server server_;
    std::list<Question> questions_;
    long long last_id_ = 0;
};

}  // namespace proxyd
