#include "proxyd/daemon/load_meter.h"

#include <chrono>
#include <cmath>

#include <sys/resource.h>

namespace proxyd {
namespace {

Duration duration_of(const timeval& time) {
    return std::chrono::duration_cast<Duration>(std::chrono::seconds(time.tv_sec) +
                                                std::chrono::microseconds(time.tv_usec));
}

}  // namespace

LoadMeter::Sample LoadMeter::sample(TimePoint now) {
    rusage used{};
    (void)getrusage(RUSAGE_SELF, &used);
    return {now, duration_of(used.ru_utime) + duration_of(used.ru_stime)};
}

double LoadMeter::share(TimePoint now) const {
    const auto present = sample(now);
    const std::chrono::duration<double> time = present.at - before_.at;
    const std::chrono::duration<double> used = present.used - before_.used;
    if (time.count() <= 0) return 0;
    return std::round(used.count() / time.count() * 1000) / 1000;
}

}  // namespace proxyd
