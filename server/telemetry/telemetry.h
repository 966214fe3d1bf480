#ifndef ROUTER_SERVER_TELEMETRY_TELEMETRY_H_
#define ROUTER_SERVER_TELEMETRY_TELEMETRY_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/base/operation.h"
#include "server/dispatcher/publish_observer.h"
#include "server/drainer/drainer.h"
#include "server/log/logger.h"
#include "server/metrics/metrics.h"
#include "server/tracing/span_buffer.h"
#include "transports/transport.h"

namespace router {

// Turns what happens to messages and to the connection into metrics and log events. What is counted
// here and what callers are told come from the same outcome, so they cannot differ:
// publishes = failures + delivered, and every failure has exactly one reason. Thread-safe.
class Telemetry final : public PublishObserver, public DrainObserver {
 public:
  struct Options {
    std::string full_policy;  // For the log.
    int64_t queue_count_max = 0;
    std::string on_exhausted;  // For the log.
    // For the log: operations in the queue now. Called with no lock held; may take one.
    std::function<int64_t()> queue_count = [] { return int64_t{0}; };
    SpanBuffer* spans = nullptr;  // Where spans of deliveries from the queue go; null: nowhere.
  };

  // `on_exhausted` is called when the budget of attempts ran out, after it was counted and logged.
  Telemetry(const Options& options, Clock* clock, Metrics* metrics, Logger* log,
            std::function<void()> on_exhausted);

  // PublishObserver
  void OnPublish(absl::Span<const Operation> operations) override;
  void OnAnswered(absl::Span<Operation* const> operations) override;
  void OnRedelivered(absl::Span<Operation* const> operations) override;
  void OnRemoved(int64_t count, RemovalCause cause) override;
  void OnConnectionEvent(const ConnectionEvent& event) override;

  // DrainObserver
  void OnDrainStarted(int64_t pending_count) override;
  void OnDeadLetter(const DeadLetterVerdict& verdict) override;
  void OnDrainEnded(int64_t succeeded, int64_t failed, absl::Duration duration) override;

 private:
  void CountFailure(const Operation& operation);
  void LogFailure(const Operation& operation);
  void LogQueueFull(const Operation& operation);
  void ReportPossibleDuplicate(const Operation& operation);
  void RecordSpan(const Operation& operation, absl::Time now);

  const Options options_;
  Clock* const clock_;
  Metrics* const metrics_;
  Logger* const log_;
  const std::function<void()> on_exhausted_;
  std::atomic<ConnectionState> connection_state_{ConnectionState::kDisconnected};
};

}  // namespace router

#endif  // ROUTER_SERVER_TELEMETRY_TELEMETRY_H_
