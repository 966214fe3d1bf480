#include "server/metrics/histogram.h"

#include <algorithm>
#include <cassert>

namespace router {
namespace {

void AddTo(std::atomic<double>& sum, double addend) {
  double seen = sum.load(std::memory_order_relaxed);
  while (!sum.compare_exchange_weak(seen, seen + addend, std::memory_order_relaxed)) {
  }
}

// Keeps infinite durations from making the sum infinite for good.
double FiniteSeconds(absl::Duration duration) {
  return absl::ToDoubleSeconds(std::min(duration, absl::Hours(24 * 365)));
}

}  // namespace

Histogram::Histogram(absl::Span<const absl::Duration> upper_bounds)
    : upper_bounds_(upper_bounds.begin(), upper_bounds.end()) {
  assert(upper_bounds_.size() <= kBoundCountMax);
  assert(std::is_sorted(upper_bounds_.begin(), upper_bounds_.end()));
}

void Histogram::Observe(absl::Duration duration, uint64_t count) {
  if (count == 0) return;
  duration = std::max(duration, absl::ZeroDuration());
  const size_t bucket = std::lower_bound(upper_bounds_.begin(), upper_bounds_.end(), duration) -
                        upper_bounds_.begin();
  Cell& cell = cells_[MetricShardOfThisThread()];
  cell.counts[bucket].fetch_add(count, std::memory_order_relaxed);
  AddTo(cell.sum_seconds, FiniteSeconds(duration) * static_cast<double>(count));
}

Histogram::Snapshot Histogram::Fold() const {
  Snapshot snapshot;
  snapshot.cumulative_counts.resize(upper_bounds_.size());
  for (size_t bucket = 0; bucket <= upper_bounds_.size(); ++bucket) {
    for (const Cell& cell : cells_) {
      snapshot.count += cell.counts[bucket].load(std::memory_order_relaxed);
    }
    if (bucket < upper_bounds_.size()) snapshot.cumulative_counts[bucket] = snapshot.count;
  }
  for (const Cell& cell : cells_) {
    snapshot.sum_seconds += cell.sum_seconds.load(std::memory_order_relaxed);
  }
  return snapshot;
}

}  // namespace router
