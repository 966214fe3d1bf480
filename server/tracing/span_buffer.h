#ifndef ROUTER_SERVER_TRACING_SPAN_BUFFER_H_
#define ROUTER_SERVER_TRACING_SPAN_BUFFER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/metrics/metrics.h"
#include "server/tracing/span.h"
#include "server/tracing/trace_context.h"

namespace router {

// Finished spans on their way to the exporter. Bounded: what finds it full is dropped and counted,
// and nobody who adds a span ever waits for the network. Thread-safe. Borrows `metrics`.
class SpanBuffer {
 public:
  // `spans_max` are kept here; the exporter may have as many again in hand.
  SpanBuffer(size_t spans_max, Metrics* metrics);
  SpanBuffer(const SpanBuffer&) = delete;
  SpanBuffer& operator=(const SpanBuffer&) = delete;

  // Unique in this process and, by a random part, among all. Never zeros.
  SpanId NewSpanId();

  void Add(Span span);

  // Everything that is there, in the order of Add.
  std::vector<Span> TakeAll();

 private:
  const size_t spans_max_;
  Metrics* const metrics_;
  std::atomic<uint64_t> next_id_;
  absl::Mutex mutex_;
  std::vector<Span> spans_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace router

#endif  // ROUTER_SERVER_TRACING_SPAN_BUFFER_H_
