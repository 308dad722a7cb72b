// The part of a worker in what is for all workers together.
#pragma once

namespace proxyd {

// Several processes serve the same clients. Pure.
struct WorkerShare {
    int index = 0;  // from 0
    int count = 1;

    // The shares of all workers sum up to `total`, and differ by one at most. With fewer than one for each
    // every worker gets one, and the sum is more.
    [[nodiscard]] int of(int total) const {
        const int share = total / count + (index < total % count ? 1 : 0);
        return share > 0 ? share : 1;
    }
};

}  // namespace proxyd
