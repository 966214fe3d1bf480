// What counting costs, by one thread and by several at once.
#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "server/metrics/metrics.h"

namespace router {
namespace {

constexpr int kThreadsMax = 4;

Metrics* SharedMetrics() {
  static Metrics* const metrics = new Metrics("0", "0");
  return metrics;
}

void BM_Increment(benchmark::State& state) {
  Counter* const counter = &SharedMetrics()->nats_publish_total;
  for (auto _ : state) counter->Increment();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Increment)->ThreadRange(1, kThreadsMax);

void BM_Observe(benchmark::State& state) {
  Histogram* const histogram = &SharedMetrics()->nats_delivery_latency_seconds.direct;
  absl::Duration latency = absl::Microseconds(300);
  for (auto _ : state) {
    histogram->Observe(latency);
    latency += absl::Nanoseconds(1);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Observe)->ThreadRange(1, kThreadsMax);

void BM_CallHandled(benchmark::State& state) {
  GrpcMethodMetrics* const method =
      SharedMetrics()->GrpcMethod("router.v1.PublisherService", "Publish");
  for (auto _ : state) method->Handled(0, absl::Microseconds(250));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_CallHandled);

}  // namespace
}  // namespace router

BENCHMARK_MAIN();
