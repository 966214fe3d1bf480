#include "server/metrics/counter.h"

namespace router {

size_t MetricShardOfThisThread() {
  static std::atomic<size_t> next_shard{0};
  thread_local const size_t shard =
      next_shard.fetch_add(1, std::memory_order_relaxed) % kMetricShardCount;
  return shard;
}

uint64_t Counter::Value() const {
  uint64_t sum = 0;
  for (const Cell& cell : cells_) sum += cell.value.load(std::memory_order_acquire);
  return sum;
}

}  // namespace router
