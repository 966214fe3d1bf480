#ifndef ROUTER_SERVER_METRICS_HISTOGRAM_H_
#define ROUTER_SERVER_METRICS_HISTOGRAM_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/metrics/counter.h"

namespace router {

// Counts durations in fixed buckets. Thread-safe and lock-free; like Counter, spread over cells.
class Histogram {
 public:
  static constexpr size_t kBoundCountMax = 24;

  struct Snapshot {
    std::vector<uint64_t> cumulative_counts;  // One per bound: how many were <= it.
    uint64_t count = 0;                       // All of them; never less than any of the above.
    double sum_seconds = 0;
  };

  // `upper_bounds` are inclusive and ascending, at most kBoundCountMax. What is above the last one
  // is counted too.
  explicit Histogram(absl::Span<const absl::Duration> upper_bounds);
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;

  // Counts `count` observations of the same duration; a negative one counts as zero.
  void Observe(absl::Duration duration, uint64_t count = 1);

  Snapshot Fold() const;
  const std::vector<absl::Duration>& upper_bounds() const { return upper_bounds_; }

 private:
  struct Cell {
    std::array<std::atomic<uint64_t>, kBoundCountMax + 1> counts{};
    std::atomic<double> sum_seconds{0};
    char padding[kCacheLineBytes];
  };

  const std::vector<absl::Duration> upper_bounds_;
  std::array<Cell, kMetricShardCount> cells_;
};

}  // namespace router

#endif  // ROUTER_SERVER_METRICS_HISTOGRAM_H_
