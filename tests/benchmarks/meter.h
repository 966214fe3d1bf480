// Measures what a program under load completes: messages and latencies in a window of time, and
// the CPU time that it and the processes beside it use meanwhile.
#ifndef ROUTER_TESTS_BENCHMARKS_METER_H_
#define ROUTER_TESTS_BENCHMARKS_METER_H_

#include <time.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace router {

// CLOCK_MONOTONIC.
int64_t MonotonicNs();

// Returns at once where that time has passed.
void SleepUntilNs(int64_t monotonic_ns);

struct MeterOptions {
  double warm_up_seconds = 0.3;
  double seconds = 2;
  int64_t count_max = 0;  // Over 0: measures so many messages from the first to the last, however
                          // long it takes, without warming up.
  std::string watch;      // Processes beside this one: "router=123,broker=456".
};

// Reads the flags --warm_up, --seconds, --count and --watch.
MeterOptions MeterOptionsFromFlags();

class Meter {
 public:
  explicit Meter(MeterOptions options);
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  // What was completed. For one thread, the same each time.
  void Complete(int64_t messages) {
    const int64_t completed = completed_.load(std::memory_order_relaxed) + messages;
    completed_.store(completed, std::memory_order_release);
    if (options_.count_max > 0 && completed >= options_.count_max) NotifyStop();
  }

  // How long one call took. For the same thread.
  void AddLatency(int64_t ns) {
    if (recording_.load(std::memory_order_relaxed)) latencies_ns_.push_back(ns);
  }

  // Ends the measurement: it has failed. Thread-safe; the first reason counts.
  void Fail(absl::string_view reason);

  // Whether nothing more is to be started. Thread-safe.
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }
  int64_t count_max() const { return options_.count_max; }

  // Waits for the window to begin and to end; the load has to run by now. Afterwards `stopping`.
  void Measure();

  // Adds a number to what is printed.
  void AddFigure(const std::string& name, double value) { figures_.emplace_back(name, value); }

  // Prints one line of JSON, once the completing thread has ended. Returns the exit status.
  int Report();

 private:
  struct Watched {
    std::string name;
    clockid_t clock;
    double cpu_seconds = 0;
  };
  struct Position {
    int64_t time_ns;
    int64_t completed;
    std::vector<double> cpu_seconds;
  };

  Position Now() const;
  void NotifyStop();
  bool WaitForStop(double seconds);

  const MeterOptions options_;
  std::vector<Watched> watched_;
  std::vector<std::pair<std::string, double>> figures_;
  Position begin_;
  Position end_;
  std::vector<int64_t> latencies_ns_;  // Of the completing thread.
  std::atomic<int64_t> completed_{0};
  std::atomic<bool> recording_{false};
  std::atomic<bool> stopping_{false};
  absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::string failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace router

#endif  // ROUTER_TESTS_BENCHMARKS_METER_H_
