#include "tests/benchmarks/meter.h"

#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

ABSL_FLAG(double, warm_up, 0.3, "Seconds before the measurement.");
ABSL_FLAG(double, seconds, 2, "Seconds that are measured.");
ABSL_FLAG(int64_t, count, 0, "Measure so many messages instead, from the first to the last.");
ABSL_FLAG(std::string, watch, "", "Processes whose CPU is measured too: router=123,broker=456.");

namespace router {
namespace {

constexpr int64_t kNsPerSecond = 1000000000;
// A measurement of a number of messages that takes longer has failed.
constexpr double kPatienceSeconds = 300;

double CpuSeconds(clockid_t clock) {
  timespec time;
  if (clock_gettime(clock, &time) != 0) return 0;  // The process has ended.
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / kNsPerSecond;
}

// In milliseconds. Reorders `values`.
double QuantileMs(double quantile, std::vector<int64_t>* values) {
  if (values->empty()) return 0;
  const size_t rank = std::min(values->size() - 1,
                               static_cast<size_t>(quantile * static_cast<double>(values->size())));
  std::nth_element(values->begin(), values->begin() + static_cast<int64_t>(rank), values->end());
  return static_cast<double>((*values)[rank]) / 1e6;
}

}  // namespace

int64_t MonotonicNs() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kNsPerSecond + time.tv_nsec;
}

void SleepUntilNs(int64_t monotonic_ns) {
  const timespec time = {monotonic_ns / kNsPerSecond, monotonic_ns % kNsPerSecond};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) != 0) {
  }
}

MeterOptions MeterOptionsFromFlags() {
  MeterOptions options;
  options.warm_up_seconds = absl::GetFlag(FLAGS_warm_up);
  options.seconds = absl::GetFlag(FLAGS_seconds);
  options.count_max = absl::GetFlag(FLAGS_count);
  options.watch = absl::GetFlag(FLAGS_watch);
  return options;
}

Meter::Meter(MeterOptions options) : options_(std::move(options)) {
  watched_.push_back({"client", CLOCK_PROCESS_CPUTIME_ID});
  for (absl::string_view entry : absl::StrSplit(options_.watch, ',', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(entry, '=');
    pid_t pid = 0;
    clockid_t clock = 0;
    if (!absl::SimpleAtoi(parts.second, &pid) || clock_getcpuclockid(pid, &clock) != 0) {
      fprintf(stderr, "--watch: no process %s\n", std::string(entry).c_str());
      exit(2);
    }
    watched_.push_back({std::string(parts.first), clock});
  }
  latencies_ns_.reserve(1 << 20);
}

void Meter::Fail(absl::string_view reason) {
  {
    absl::MutexLock lock(&mutex_);
    if (failure_.empty()) failure_ = std::string(reason);
  }
  NotifyStop();
}

void Meter::NotifyStop() {
  stopping_.store(true, std::memory_order_relaxed);
  absl::MutexLock lock(&mutex_);
  stop_ = true;
}

bool Meter::WaitForStop(double seconds) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&stop_), absl::Seconds(seconds));
}

Meter::Position Meter::Now() const {
  Position position = {MonotonicNs(), completed_.load(std::memory_order_acquire), {}};
  for (const Watched& watched : watched_) {
    position.cpu_seconds.push_back(CpuSeconds(watched.clock));
  }
  return position;
}

void Meter::Measure() {
  if (options_.count_max > 0) {
    recording_ = true;
    begin_ = Now();
    if (!WaitForStop(kPatienceSeconds)) Fail("it takes too long");
  } else {
    WaitForStop(options_.warm_up_seconds);
    recording_ = true;
    begin_ = Now();
    WaitForStop(options_.seconds);
  }
  end_ = Now();
  recording_ = false;
  NotifyStop();
}

int Meter::Report() {
  const int64_t messages = end_.completed - begin_.completed;
  absl::MutexLock lock(&mutex_);
  if (failure_.empty() && messages == 0) failure_ = "nothing was completed";
  if (!failure_.empty()) {
    fprintf(stderr, "%s\n", failure_.c_str());
    return 1;
  }
  const double seconds = static_cast<double>(end_.time_ns - begin_.time_ns) / kNsPerSecond;
  nlohmann::json report = {{"messages", messages},
                           {"seconds", seconds},
                           {"per_second", static_cast<double>(messages) / seconds}};
  for (const auto& [name, value] : figures_) report[name] = value;
  for (size_t i = 0; i < watched_.size(); ++i) {
    const double used = end_.cpu_seconds[i] - begin_.cpu_seconds[i];
    report["cores"][watched_[i].name] = used / seconds;
    report["cpu_us_per_message"][watched_[i].name] = used * 1e6 / static_cast<double>(messages);
  }
  report["latency_ms"] = {{"p50", QuantileMs(0.5, &latencies_ns_)},
                          {"p90", QuantileMs(0.9, &latencies_ns_)},
                          {"p99", QuantileMs(0.99, &latencies_ns_)},
                          {"p99.9", QuantileMs(0.999, &latencies_ns_)},
                          {"max", QuantileMs(1, &latencies_ns_)}};
  printf("%s\n", report.dump().c_str());
  return 0;
}

}  // namespace router
