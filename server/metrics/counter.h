#ifndef ROUTER_SERVER_METRICS_COUNTER_H_
#define ROUTER_SERVER_METRICS_COUNTER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace router {

// Number of cells that a metric is spread over, so that threads do not fight for a cache line.
inline constexpr size_t kMetricShardCount = 8;

// Padding behind a cell spaces it from the next one by a line, wherever the first begins. Alignment
// would do the same, but not on the stacks of AddressSanitizer.
inline constexpr size_t kCacheLineBytes = 64;

// The cell of the calling thread, in [0, kMetricShardCount). Threads are dealt out in turn, so the
// first eight never share one.
size_t MetricShardOfThisThread();

// A monotonic counter. Thread-safe and wait-free: an increment touches the calling thread's own
// cache line only. Whoever reads one counter and afterwards a second one sees, in the second,
// everything a thread had counted there before it counted what was seen in the first.
class Counter {
 public:
  Counter() = default;
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;

  void Increment(uint64_t count = 1) {
    cells_[MetricShardOfThisThread()].value.fetch_add(count, std::memory_order_release);
  }

  // The sum over all threads.
  uint64_t Value() const;

 private:
  struct Cell {
    std::atomic<uint64_t> value{0};
    char padding[kCacheLineBytes - sizeof(std::atomic<uint64_t>)];
  };
  std::array<Cell, kMetricShardCount> cells_;
};

}  // namespace router

#endif  // ROUTER_SERVER_METRICS_COUNTER_H_
