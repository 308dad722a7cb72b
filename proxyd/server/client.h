// One client connection: requests in, replies out, one at a time and in order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "backends/event/loop.h"
#include "protocol/request_decoder.h"
#include "proxyd/server/service.h"

namespace proxyd::server {

class Server;

class Client final : public Requester, public std::enable_shared_from_this<Client> {
  public:
    // Takes over the descriptor.
    Client(Server& server, int fd);
    ~Client() override;
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Greets, or waits for the client to speak first, and begins to read.
    void start();

    // Takes no more requests. Closes now if none is under way, else after its reply.
    void finish();

    // Closes if the client has been quiet for a moment. An idle client loses nothing, but a client that is
    // just sending has to wait a second before it asks again. A client that has not asked yet gets an answer
    // first: command-line clients die when they write to a closed connection.
    void finish_if_quiet(TimePoint now);

    // Closes the client if it has left a request or a reply unfinished for too long, or has gone while
    // nothing was read from it. True: call again later.
    [[nodiscard]] bool check_time(TimePoint now);

    // Whether it has a long reply and has read nothing of it for longer than `limit`.
    [[nodiscard]] bool hoards_long_reply(TimePoint now, Duration limit) const {
        return long_reply_ > 0 && unfinished_since_ != TimePoint{} && now - unfinished_since_ > limit;
    }

    // Closes the client whatever it is doing, for the sake of the other clients.
    void give_up() { close(); }

    // Call after it was closed: frees its buffers, even while an answer for it is under way.
    void free_buffers();

    // For Service: the answer to the request under way.
    void answered(const Answer& answer) override;

    // Sends the replies that Server::write_later() has scheduled.
    void write_now();

    [[nodiscard]] int fd() const { return fd_; }

  private:
    enum class State : std::uint8_t {
        idle,       // no complete request is here; a part of one may be
        answering,  // a request is with the service
        replying,   // a reply, or the greeting, is not sent to its end
        closed,     // the descriptor is closed; an answer may still come, and is dropped
    };
    enum class Contact : std::uint8_t {
        none,      // neither side has spoken
        greeted,   // the greeting was sent, or the client has spoken first
        answered,  // at least one request has been answered
    };
    enum class Input : std::uint8_t {
        read,    // what the client sends is read at once
        paused,  // enough has been read ahead; the end of the client is not noticed at once
        ended,   // the client has closed its sending side
    };

    void greet();
    void ready(Ready what);
    void read_requests();
    [[nodiscard]] std::size_t serve_requests(std::string_view buffer);
    void serve_next();
    void serve(const protocol::DecodeResult& decoded);
    void serve_request(const protocol::Request& request);
    void end_request(const Answer& answer);
    [[nodiscard]] protocol::Status reply(protocol::Command command, protocol::Layout layout,
                                         const protocol::Reply& reply);
    [[nodiscard]] bool reply_at_length(protocol::Layout layout, const protocol::Reply& answer);
    void write_later();
    void write_out();
    void after_reply();
    void update_interest();
    void report_memory();
    void end_long_reply();
    void close();
    [[nodiscard]] bool closed() const { return state_ == State::closed; }
    [[nodiscard]] bool idle() const { return state_ == State::idle; }
    // Whether it has nothing to do, and nothing of another request is here.
    [[nodiscard]] bool quiet() const { return idle() && in_.empty(); }
    // Whether the next of its requests may be buffered; else they stay in the kernel, and with the client.
    [[nodiscard]] bool may_read_ahead() const;

    Server& server_;
    int fd_;
    protocol::RequestDecoder decoder_;
    std::shared_ptr<const ServedTable> table_;  // of the last request
    std::string in_;                            // received, not decoded yet
    std::string out_;                           // to be sent; empty: all is sent
    std::string out_value_;                     // a long value, to be sent after it
    std::size_t out_sent_ = 0;                  // bytes of out_ that are sent
    std::size_t long_reply_ = 0;                // its size, counted by the server until it is sent
    std::unique_ptr<FdWatch> watch_;
    std::unique_ptr<Timer> greeting_timer_;
    // The request under way, as far as its answer needs it.
    struct {
        protocol::Command command{};
        protocol::Layout layout{};
        std::size_t size = 0;  // bytes that the server counts
        TimePoint complete_at{};
    } asked_;
    TimePoint last_reply_{};
    TimePoint unfinished_since_{};  // a partial request or an unsent reply; zero: none
    State state_ = State::idle;
    Contact contact_ = Contact::none;
    Input input_ = Input::read;
    bool finishing_ = false;      // takes no request after those that have arrived
    bool serving_ = false;        // inside serve_requests()
    bool write_pending_ = false;  // the server will call write_now()
    bool counted_ = false;        // the server counts its memory, because it holds much
};

}  // namespace proxyd::server
