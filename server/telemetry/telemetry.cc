#include "server/telemetry/telemetry.h"

#include <utility>

#include "absl/base/attributes.h"
#include "server/errors/errors.h"
#include "server/tracing/trace_context.h"

namespace router {
namespace {

bool IsStored(const Operation& operation) {
  return operation.message.guarantee == Guarantee::kStored;
}

// Not where the window is full, which is no matter of the queue.
bool IsQueueFull(const absl::Status& status) {
  return absl::IsResourceExhausted(status) && error::ReasonOf(status) != "WINDOW_FULL";
}

absl::string_view FailureWords(const Operation& operation) {
  if (operation.behind_backlog) return "behind queued messages of its key";
  if (!operation.error.empty()) return operation.error;
  if (!operation.status.ok()) return operation.status.message();
  return FailureReasonName(operation.reason);
}

}  // namespace

Telemetry::Telemetry(const Options& options, Clock* clock, Metrics* metrics, Logger* log,
                     std::function<void()> on_exhausted)
    : options_(options),
      clock_(clock),
      metrics_(metrics),
      log_(log),
      on_exhausted_(std::move(on_exhausted)) {}

void Telemetry::OnPublish(absl::Span<const Operation> operations) {
  int64_t asked = 0;
  int64_t asked_with_ack = 0;
  for (const Operation& operation : operations) {
    if (!operation.was_asked) continue;
    ++asked;
    if (IsStored(operation)) ++asked_with_ack;
  }
  metrics_->nats_publish_total.Increment(asked);
  metrics_->nats_publish_with_ack_total.Increment(asked_with_ack);
}

void Telemetry::OnAnswered(absl::Span<Operation* const> operations) {
  const SteadyTime now = clock_->SteadyNow();
  uint64_t delivered = 0;
  uint64_t queued = 0;
  uint64_t replayed = 0;
  const PublishBatch* batch = nullptr;
  uint64_t delivered_of_batch = 0;
  const auto observe_latency = [&] {
    if (delivered_of_batch == 0) return;
    const absl::Duration latency = absl::FromChrono(now - batch->start_time);
    metrics_->nats_publish_latency_seconds.Observe(latency, delivered_of_batch);
    metrics_->nats_delivery_latency_seconds.direct.Observe(latency, delivered_of_batch);
    delivered += delivered_of_batch;
    delivered_of_batch = 0;
  };
  for (const Operation* operation : operations) {
    if (operation->batch != batch) {
      observe_latency();
      batch = operation->batch;
    }
    if (operation->replayed) ++replayed;
    switch (operation->outcome) {
      case Outcome::kDelivered:
        ++delivered_of_batch;
        continue;
      case Outcome::kQueued:
        ++queued;
        break;
      case Outcome::kDropped:
        metrics_->messages_accepted_total.Increment();
        metrics_->nats_publish_outcomes.dropped_fail_open.Increment();
        break;
      case Outcome::kRejected:
      case Outcome::kUnanswered:
        metrics_->nats_publish_outcomes.rejected.Increment();
        break;
    }
    if (operation->was_asked) {
      CountFailure(*operation);
      LogFailure(*operation);
    }
  }
  observe_latency();
  metrics_->messages_accepted_total.Increment(delivered + queued - replayed);
  metrics_->nats_publish_outcomes.delivered.Increment(delivered);
  metrics_->nats_publish_outcomes.queued.Increment(queued);
}

void Telemetry::CountFailure(const Operation& operation) {
  metrics_->nats_publish_failures_total.Increment();
  if (IsStored(operation)) metrics_->nats_publish_with_ack_failures_total.Increment();
  if (operation.behind_backlog) {
    metrics_->nats_publish_failure_reasons.backlog.Increment();
  } else {
    metrics_->nats_publish_failure_reasons.For(operation.reason).Increment();
  }
}

void Telemetry::LogFailure(const Operation& operation) {
  const absl::string_view subject = operation.message.subject;
  const absl::optional<absl::string_view> trace_id = FindTraceId(operation.message.headers);
  switch (operation.outcome) {
    case Outcome::kQueued:
      log_->RepeatingEvent(
          LogLevel::kWarn,
          IsStored(operation) ? "NATS_PUBLISH_WITH_ACK_QUEUED" : "NATS_PUBLISH_QUEUED",
          "a message was queued",
          {{"subject", subject},
           {"connection_state", ConnectionStateName(connection_state_)},
           {"reason", FailureWords(operation)},
           {"trace_id", trace_id}});
      return;
    case Outcome::kDropped:
      log_->RepeatingEvent(LogLevel::kWarn, "NATS_FAIL_OPEN_DROPPED",
                           "fail-open mode: a message was dropped",
                           {{"subject", subject},
                            {"message_id", operation.message.message_id},
                            {"trace_id", trace_id}});
      return;
    case Outcome::kRejected:
      if (IsQueueFull(operation.status)) LogQueueFull(operation);
      break;
    case Outcome::kDelivered:
    case Outcome::kUnanswered:
      break;
  }
  log_->RepeatingEvent(
      LogLevel::kWarn, IsStored(operation) ? "NATS_PUBLISH_WITH_ACK_ERROR" : "NATS_PUBLISH_ERROR",
      "a message was not accepted",
      {{"subject", subject}, {"reason", FailureWords(operation)}, {"trace_id", trace_id}});
}

void Telemetry::LogQueueFull(const Operation& operation) {
  log_->RepeatingEvent(LogLevel::kWarn, "NATS_QUEUE_FULL", operation.status.message(),
                       {{"queue_size", options_.queue_count()},
                        {"max_size", options_.queue_count_max},
                        {"policy", options_.full_policy},
                        {"trace_id", FindTraceId(operation.message.headers)}});
}

void Telemetry::OnRedelivered(absl::Span<Operation* const> operations) {
  if (operations.empty()) return;
  const absl::Time now = clock_->WallNow();
  uint64_t confirmed = 0;
  for (const Operation* operation : operations) {
    if (operation->verdict != Verdict::kConfirmed) continue;
    ++confirmed;
    if (operation->possible_duplicate) ReportPossibleDuplicate(*operation);
    metrics_->nats_delivery_latency_seconds.queued.Observe(now - operation->accept_time);
    if (options_.spans != nullptr) RecordSpan(*operation, now);
  }
  metrics_->nats_pending_operations_retry.Increment(operations.size());
  metrics_->nats_pending_operations_retry_success.Increment(confirmed);
  metrics_->nats_pending_operations_retry_failed.Increment(operations.size() - confirmed);
}

void Telemetry::ReportPossibleDuplicate(const Operation& operation) {
  metrics_->nats_possible_duplicates_total.Increment();
  log_->RepeatingEvent(LogLevel::kWarn, "NATS_POSSIBLE_DUPLICATE",
                       "a message was sent again, and the first time may have stored it too",
                       {{"subject", operation.message.subject},
                        {"message_id", operation.message.message_id},
                        {"trace_id", FindTraceId(operation.message.headers)}});
}

// A message keeps the trace that it was published with: from then until its delivery is a span.
void Telemetry::RecordSpan(const Operation& operation, absl::Time now) {
  const absl::optional<TraceContext> parent = FindTraceContext(operation.message.headers);
  if (!parent.has_value() || !parent->sampled()) return;
  Span span;
  span.context = *parent;
  span.context.span_id = options_.spans->NewSpanId();
  span.parent_id = parent->span_id;
  span.name = "deliver from the queue";
  span.kind = Span::Kind::kProducer;
  span.start_time = operation.accept_time;
  span.end_time = now;
  span.attributes = {{"messaging.system", std::string("nats")},
                     {"messaging.operation.type", std::string("send")},
                     {"messaging.destination.name", std::string(operation.message.subject)},
                     {"messaging.message.id", std::string(operation.message.message_id)},
                     {"router.operation_id", static_cast<int64_t>(operation.operation_id)}};
  options_.spans->Add(std::move(span));
}

void Telemetry::OnRemoved(int64_t count, RemovalCause cause) {
  switch (cause) {
    case RemovalCause::kPurged:
      metrics_->messages_purged_total.Increment(count);
      return;
    case RemovalCause::kDroppedAndKept:
      metrics_->nats_dead_letters.dropped_oldest.Increment(count);
      ABSL_FALLTHROUGH_INTENDED;
    case RemovalCause::kDroppedOldest:
      metrics_->nats_pending_operations_dropped_total.Increment(count);
      log_->RepeatingEvent(LogLevel::kWarn, "NATS_QUEUE_FULL",
                           "the oldest queued messages were dropped to make room",
                           {{"queue_size", options_.queue_count()},
                            {"max_size", options_.queue_count_max},
                            {"policy", options_.full_policy},
                            {"dropped", count},
                            {"kept", cause == RemovalCause::kDroppedAndKept}});
      return;
    case RemovalCause::kDeadLettered:
    case RemovalCause::kDamaged:
      return;  // Counted where the reason is known: by the drainer, and as an error of the spool.
  }
}

void Telemetry::OnConnectionEvent(const ConnectionEvent& event) {
  switch (event.kind) {
    case ConnectionEvent::Kind::kEstablished:
      connection_state_ = ConnectionState::kConnected;
      metrics_->nats_connection_established_total.Increment();
      log_->Event(LogLevel::kInfo, "NATS_CONNECTION_ESTABLISHED", "connected to the broker",
                  {{"url", event.url}, {"server_name", event.server_name}, {"epoch", event.epoch}});
      return;
    case ConnectionEvent::Kind::kLost:
      connection_state_ = ConnectionState::kReconnecting;
      metrics_->nats_connection_lost_total.Increment();
      log_->Event(LogLevel::kError, "NATS_CONNECTION_LOST", "the connection to the broker was lost",
                  {{"reason", event.reason}, {"reconnect_attempts", event.attempts}});
      return;
    case ConnectionEvent::Kind::kReconnectAttempt:
      metrics_->nats_reconnect_attempts_total.Increment();
      log_->Event(LogLevel::kInfo, "NATS_RECONNECT_ATTEMPT", "connecting again after a delay",
                  {{"attempt", event.attempts},
                   {"max_attempts", event.max_attempts},
                   {"delay_ms", absl::ToInt64Milliseconds(event.delay)}});
      return;
    case ConnectionEvent::Kind::kAttemptFailed:
      metrics_->nats_connection_failures_total.Increment();
      if (event.is_reconnect) metrics_->nats_reconnect_failures_total.Increment();
      log_->Event(LogLevel::kWarn, "NATS_RECONNECT_FAILED", "an attempt to connect failed",
                  {{"attempt", event.attempts}, {"reason", event.reason}});
      return;
    case ConnectionEvent::Kind::kExhausted:
      connection_state_ = ConnectionState::kExhausted;
      metrics_->nats_reconnection_exhausted_total.Increment();
      log_->Event(LogLevel::kError, "NATS_RECONNECTION_EXHAUSTED",
                  "the budget of attempts ran out; attempts go on at the longest delay",
                  {{"attempts", event.attempts}, {"on_exhausted", options_.on_exhausted}});
      on_exhausted_();
      return;
    case ConnectionEvent::Kind::kRestored:
      metrics_->nats_connection_restored_total.Increment();
      log_->Event(LogLevel::kInfo, "NATS_CONNECTION_RESTORED", "the connection is back",
                  {{"reconnect_attempts", event.attempts},
                   {"outage_ms", absl::ToInt64Milliseconds(event.outage)}});
      return;
  }
}

void Telemetry::OnDrainStarted(int64_t pending_count) {
  log_->RepeatingEvent(LogLevel::kInfo, "NATS_RETRY_PENDING", "delivering what was queued",
                       {{"pending_count", pending_count}});
}

void Telemetry::OnDeadLetter(const DeadLetterVerdict& verdict) {
  const DeadLetterReason& reason = verdict.reason;
  metrics_->nats_dead_letters.For(reason.reason).Increment();
  log_->RepeatingEvent(
      LogLevel::kError, "NATS_DEAD_LETTER",
      "a queued message can never be delivered and was set aside",
      {{"operation_id", verdict.sequence},
       {"reason", reason.reason},
       {"error", reason.error},
       {"attempts", reason.attempts},
       {"trace_id", verdict.trace_id.empty()
                        ? absl::nullopt
                        : absl::make_optional<absl::string_view>(verdict.trace_id)}});
}

void Telemetry::OnDrainEnded(int64_t succeeded, int64_t failed, absl::Duration duration) {
  log_->RepeatingEvent(LogLevel::kInfo, "NATS_RETRY_COMPLETE",
                       "nothing more of the queue is being delivered",
                       {{"success_count", succeeded},
                        {"failed_count", failed},
                        {"duration_ms", absl::ToInt64Milliseconds(duration)}});
}

}  // namespace router
