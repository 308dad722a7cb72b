// A thread with one open handle of a file: calls into the library may wait for locks and for the disk.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "backends/event/loop.h"
#include "backends/pool/ring_buffer.h"
#include "backends/sqlite/handle.h"
#include "backends/sqlite/lookup.h"

namespace proxyd::sqlite {

[[nodiscard]] pool::Failure busy_too_long();

// Answers in the order of the lookups. All lookups of one pass of the loop are handed over together, or a
// portion at a time, and so are the answers: waking a thread costs more than a query.
class Worker : public std::enable_shared_from_this<Worker> {
  public:
    // Both are called in the loop's thread: with answered lookups, which the callee may take, and when the
    // file is closed after retire().
    struct Owner {
        std::function<void(Worker&, std::vector<SharedLookup>&)> answered;
        std::function<void(Worker&)> ended;
    };

    // The loop outlives the worker, or stop() is called before the loop's end. `closed` is called in any
    // thread, when the file's descriptors are free again.
    Worker(Loop& loop, std::string path, Owner owner, std::function<void()> closed);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // Starts the thread. Called once, before anything else.
    void begin();

    // All functions below are called in the loop's thread.

    // Takes the lookups over; the vector is empty then.
    void give(std::vector<SharedLookup>& lookups);
    // Returns the lookups that the thread has not begun with.
    [[nodiscard]] std::vector<SharedLookup> take_back();

    [[nodiscard]] bool idle() const { return asked_.empty(); }
    [[nodiscard]] TimePoint used_at() const { return used_at_; }
    [[nodiscard]] TimePoint opened_at() const { return opened_at_; }

    // The lookup under way, if the thread has worked on it for that long, without the time for which other
    // processes lock the file.
    [[nodiscard]] Asked* stuck_with(Duration time);

    // Takes the callbacks of lookups whose deadline has passed; the others wait on. Sets `some_wait` if some
    // do.
    void take_late(TimePoint now, std::vector<pool::OutcomeCallback>& late, bool& some_wait);

    // Gives the answered lookups to the owner: answers may be ready while a later lookup takes long.
    void deliver();

    // Ends the thread when all lookups given to it are answered.
    void retire();
    [[nodiscard]] bool retiring() const { return retiring_; }

    // From now on the thread uses only its own data. The running query ends within a moment, if the system
    // returns from its call; this function waits for that `within` at most.
    void stop(Duration within);
    // After stop(): the lookups without an answer, and those whose answers have not been delivered.
    [[nodiscard]] std::vector<SharedLookup> left_over();

  private:
    void end();
    void work();
    [[nodiscard]] bool wait_for_lookups();
    [[nodiscard]] SharedLookup next(SharedLookup done, TimePoint now, bool wanted);
    void look_up(Job& job, TimePoint now);
    [[nodiscard]] bool wake_loop();

    Loop& loop_;
    Handle handle_;
    Owner owner_;
    std::function<void()> closed_;
    std::thread thread_;
    // For the loop's thread.
    pool::RingBuffer<SharedLookup> asked_;
    std::vector<SharedLookup> answered_;  // being delivered; kept for its memory
    TimePoint opened_at_;
    TimePoint used_at_;
    bool retiring_ = false;
    // For the worker's own thread.
    bool several_ = false;
    // For both threads.
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    pool::RingBuffer<SharedLookup> queue_;  // the last ones of asked_
    std::size_t batch_left_ = 0;            // the first of queue_: given before the batch began
    std::optional<TimePoint> under_way_since_;
    std::size_t done_ = 0;     // the first ones of asked_ are answered
    bool loop_woken_ = false;  // for those that are done
    bool ending_ = false;      // once queue_ is empty
    bool stopping_ = false;
    bool ended_ = false;
};

}  // namespace proxyd::sqlite
