// Makes the connections of a cluster for its pool.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "backends/pool/connection.h"

namespace proxyd::cluster {

// `Context` is a cluster::Context. `Connection` is made of the context, a host and an observer, and says
// whether it `pipelines`.
template <typename Context, typename Connection>
class Driver final : public pool::Driver {
  public:
    // The arguments are those of the context.
    template <typename... Arguments>
    explicit Driver(Arguments&&... arguments) : context_(std::forward<Arguments>(arguments)...) {}

    [[nodiscard]] std::unique_ptr<pool::Connection> make_connection(
        std::size_t host, pool::ConnectionObserver& observer) override {
        return std::make_unique<Connection>(context_, context_.cluster().hosts.at(host), observer);
    }
    [[nodiscard]] std::string without_secrets(const std::string& text) const override {
        return context_.without_secrets(text);
    }
    [[nodiscard]] std::string account() const override { return context_.cluster().user; }
    [[nodiscard]] bool pipelines() const override { return Connection::pipelines; }

  private:
    Context context_;
};

}  // namespace proxyd::cluster
