#ifndef ROUTER_SERVER_TRACING_OTLP_EXPORTER_H_
#define ROUTER_SERVER_TRACING_OTLP_EXPORTER_H_

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/log/logger.h"
#include "server/metrics/metrics.h"
#include "server/tracing/http_post.h"
#include "server/tracing/otlp_json.h"
#include "server/tracing/span_buffer.h"

namespace router {

// The URL that spans are posted to, of the base URL that OpenTelemetry calls the endpoint.
std::string OtlpTracesUrl(absl::string_view endpoint);

// Sends what is in a SpanBuffer to a collector, by OTLP over HTTP in its JSON form, on a thread of
// its own. A batch that the collector cannot take for now is tried again a few times; then, and
// where it refuses a batch, the batch is dropped, counted and logged. Borrows everything.
class OtlpExporter {
 public:
  struct Options {
    std::string url;  // For the log.
    OtlpResource resource;
    absl::Duration interval = absl::Milliseconds(500);     // Between looks at the buffer.
    absl::Duration retry_delay = absl::Milliseconds(500);  // Before the second attempt; doubles.
  };
  using Post = std::function<HttpResult(absl::string_view body)>;

  static constexpr size_t kBatchSpansMax = 512;
  static constexpr int kAttemptsMax = 4;
  static constexpr absl::Duration kRetryDelayMax = absl::Seconds(30);

  // `post` is called by the exporter's thread, one call at a time. It should give up when
  // `gives_up()`.
  OtlpExporter(Options options, Post post, Clock* clock, SpanBuffer* spans, Metrics* metrics,
               Logger* log);
  ~OtlpExporter();

  void Start();

  // Sends what is left, for at most `timeout`, and ends the thread. Idempotent.
  void Stop(absl::Duration timeout);

  // Whether the time for what is left is over. Thread-safe.
  bool gives_up() const;

 private:
  void Run();
  void Export(absl::Span<const Span> spans);
  void ExportBatch(absl::Span<const Span> batch);
  void Drop(absl::Span<const Span> batch, const HttpResult& result);

  const Options options_;
  const Post post_;
  Clock* const clock_;
  SpanBuffer* const spans_;
  Metrics* const metrics_;
  Logger* const log_;
  absl::Notification stopping_;
  std::atomic<int64_t> give_up_ns_;  // On the clock's steady time.
  std::thread thread_;
};

}  // namespace router

#endif  // ROUTER_SERVER_TRACING_OTLP_EXPORTER_H_
