// Every metric of the router. One object, created by main and lent to whoever counts something; the
// members are the metrics, under their names without the prefix `router_` (a struct of counters
// where a metric has a label). Increments are thread-safe and lock-free; they cost a few
// nanoseconds.
//
//   metrics->nats_publish_total.Increment(batch_size);
//   metrics->nats_publish_failure_reasons.For(delivery.reason).Increment();
//   metrics->nats_delivery_latency_seconds.queued.Observe(age);
//
// Order matters in one way: a superset is counted before its subset (nats_publish_total before
// nats_publish_failures_total). Then no scrape ever shows more failures than publishes.
#ifndef ROUTER_SERVER_METRICS_METRICS_H_
#define ROUTER_SERVER_METRICS_METRICS_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/metrics/counter.h"
#include "server/metrics/gauge_snapshot.h"
#include "server/metrics/grpc_method_metrics.h"
#include "server/metrics/histogram.h"
#include "transports/transport.h"

namespace router {

class Exposition;

// What callers were told.
struct PublishOutcomeCounters {
  Counter delivered;
  Counter queued;
  Counter dropped_fail_open;
  Counter rejected;
};

// Why operations were not confirmed at the first try.
struct PublishFailureReasonCounters {
  Counter not_connected;
  Counter timeout;
  Counter connection_closed;
  Counter no_responders;
  Counter broker_error;
  Counter fault_injected;
  Counter backlog;  // It had to go behind queued messages of its key: there was no first try.

  // kNone, which is no failure, counts as broker_error.
  Counter& For(FailureReason reason);
};

// From acceptance to confirmation by the broker.
struct DeliveryLatencyHistograms {
  DeliveryLatencyHistograms();
  Histogram direct;
  Histogram queued;
};

// Spans that were never exported.
struct SpanDropCounters {
  Counter buffer_full;
  Counter export_failed;
};

// Messages that became dead letters.
struct DeadLetterCounters {
  Counter refused;
  Counter no_stream;
  Counter too_large;
  Counter expired;
  Counter attempts;
  Counter dropped_oldest;

  // By the reason that the queue keeps: "refused", "no_stream", "too_large", "expired", "attempts",
  // "dropped_oldest". Any other counts as refused.
  Counter& For(absl::string_view reason);
};

// Failed operations of the spool on disk.
struct SpoolErrorCounters {
  Counter open;
  Counter append;
  Counter remove;
  Counter read;
  Counter checkpoint;

  // By the name the spool gives it: "open", "append", …. Any other counts as read.
  Counter& For(absl::string_view op);
};

// Attempts to read files again that had changed.
struct ReloadCounters {
  Counter ok;
  Counter failed;
};

// What clients were not allowed, by the setting that says so.
struct LimitExceededCounters {
  Counter publish_max_in_flight_bytes;
  Counter client_max_in_flight_bytes;
  Counter client_max_in_flight_messages;
  Counter client_max_messages_per_second;
  Counter client_max_admin_calls;
};

// Connections that were closed when they came in.
struct ConnectionRefusalCounters {
  Counter descriptors;  // They would have taken the last ones.
  Counter connections;
  Counter address_connections;
  Counter banned;  // From where a flood had come.
};

// What callers were denied.
struct AccessDeniedCounters {
  Counter unauthenticated;  // Calls of somebody who is not known.
  Counter method;           // Calls.
  Counter subject;          // Messages.
  Counter payloads;         // Calls.
};

class Metrics {
 public:
  // `commit` is the revision this binary was built from, or "unknown".
  Metrics(absl::string_view version, absl::string_view commit);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Where gauges come from. Called once per Render, by its thread, with no lock held. Until it is
  // set all gauges are 0. Replace it with nullptr before what it reads is destroyed; a Render that
  // is running then may still be inside it, so stop whoever renders first.
  void SetGaugeProvider(std::function<GaugeSnapshot()> provider);

  // The metrics of one method, for example ("router.v1.PublisherService", "Publish"): created at
  // the first call, valid as long as this object. Takes a lock: look it up once. All methods of
  // router.v1 exist from the start.
  GrpcMethodMetrics* GrpcMethod(absl::string_view service, absl::string_view method);

  // Everything in the Prometheus text format 0.0.4.
  std::string Render() const;

  // The connection.
  Counter nats_connection_established_total;
  Counter nats_connection_lost_total;
  Counter nats_connection_restored_total;
  Counter nats_connection_failures_total;
  Counter nats_reconnect_attempts_total;
  Counter nats_reconnect_failures_total;
  Counter nats_reconnection_exhausted_total;

  // Publishing.
  Counter nats_publish_total;
  Counter nats_publish_failures_total;
  Counter nats_publish_with_ack_total;
  Counter nats_publish_with_ack_failures_total;
  PublishOutcomeCounters nats_publish_outcomes;               // …_total{outcome}
  PublishFailureReasonCounters nats_publish_failure_reasons;  // …_total{reason}
  Histogram nats_publish_latency_seconds;
  DeliveryLatencyHistograms nats_delivery_latency_seconds;  // {path}

  // Consuming.
  Counter nats_ack_total;
  Counter nats_ack_failures_total;
  Counter nats_nak_total;
  Counter nats_nak_failures_total;
  Counter nats_subscribe_total;
  Counter nats_subscribe_failures_total;

  // The pending queue.
  Counter nats_pending_operations_retry;
  Counter nats_pending_operations_retry_success;
  Counter nats_pending_operations_retry_failed;
  Counter nats_pending_operations_dropped_total;
  Counter nats_possible_duplicates_total;
  DeadLetterCounters nats_dead_letters;  // …_total{reason}
  Counter messages_accepted_total;
  Counter messages_purged_total;
  Histogram spool_fsync_seconds;
  SpoolErrorCounters spool_errors;  // …_total{op}

  // Access.
  ReloadCounters tls_reloads;          // …_total{result}
  ReloadCounters access_reloads;       // …_total{result}
  ReloadCounters config_reloads;       // …_total{result}
  AccessDeniedCounters access_denied;  // …_total{reason}

  // Clients.
  LimitExceededCounters limits_exceeded;          // limit_exceeded_total{limit}
  ConnectionRefusalCounters connections_refused;  // grpc_…_total{reason}
  Counter floods_ended_total;                     // grpc_…
  Counter grpc_listener_rebuilt_total;

  // Exporting spans.
  Counter otlp_spans_exported_total;
  SpanDropCounters otlp_spans_dropped;  // …_total{reason}
  Counter otlp_export_failures_total;

 private:
  using MethodName = std::pair<std::string, std::string>;  // Service, method.

  void AddGrpcMethods(Exposition& out) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const std::string version_;
  const std::string commit_;

  mutable absl::Mutex mutex_;
  std::function<GaugeSnapshot()> gauge_provider_ ABSL_GUARDED_BY(mutex_);
  std::map<MethodName, std::unique_ptr<GrpcMethodMetrics>> grpc_methods_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace router

#endif  // ROUTER_SERVER_METRICS_METRICS_H_
