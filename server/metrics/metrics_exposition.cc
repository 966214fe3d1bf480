// The names of the metrics and their order of reading: within each function a subset comes before
// the set it belongs to, so that no scrape shows more failures than operations.

#include "server/metrics/exposition.h"
#include "server/metrics/metrics.h"
#include "server/metrics/process_metrics.h"

namespace router {
namespace {

void AddConnection(const Metrics& metrics, Exposition& out) {
  out.AddCounter("router_nats_connection_restored_total", "Connections that came up after a loss.",
                 metrics.nats_connection_restored_total);
  out.AddCounter("router_nats_connection_lost_total", "Established connections that were lost.",
                 metrics.nats_connection_lost_total);
  out.AddCounter("router_nats_connection_established_total",
                 "Connections that came up, the first one and every later one.",
                 metrics.nats_connection_established_total);
  out.AddCounter("router_nats_connection_failures_total",
                 "Failed attempts to connect, of any kind.",
                 metrics.nats_connection_failures_total);
  out.AddCounter("router_nats_reconnect_failures_total",
                 "Attempts to connect after a loss or a failed start that failed.",
                 metrics.nats_reconnect_failures_total);
  out.AddCounter("router_nats_reconnect_attempts_total",
                 "Attempts to connect after a loss or a failed start.",
                 metrics.nats_reconnect_attempts_total);
  out.AddCounter("router_nats_reconnection_exhausted_total",
                 "Times the budget nats_reconnect_attempts ran out, once per outage.",
                 metrics.nats_reconnection_exhausted_total);
}

void AddPublishing(const Metrics& metrics, Exposition& out) {
  const PublishFailureReasonCounters& reasons = metrics.nats_publish_failure_reasons;
  out.AddCounters("router_nats_publish_failure_reasons_total",
                  "Publish operations not confirmed at the first try, by reason.", "reason",
                  {{"not_connected", &reasons.not_connected},
                   {"timeout", &reasons.timeout},
                   {"connection_closed", &reasons.connection_closed},
                   {"no_responders", &reasons.no_responders},
                   {"broker_error", &reasons.broker_error},
                   {"fault_injected", &reasons.fault_injected},
                   {"backlog", &reasons.backlog}});
  const PublishOutcomeCounters& outcomes = metrics.nats_publish_outcomes;
  out.AddCounters("router_nats_publish_outcomes_total", "What callers were told.", "outcome",
                  {{"delivered", &outcomes.delivered},
                   {"queued", &outcomes.queued},
                   {"dropped_fail_open", &outcomes.dropped_fail_open},
                   {"rejected", &outcomes.rejected}});
  out.AddCounter("router_nats_publish_with_ack_failures_total",
                 "Publish operations with a JetStream ack not confirmed at the first try.",
                 metrics.nats_publish_with_ack_failures_total);
  out.AddCounter("router_nats_publish_failures_total",
                 "Publish operations not confirmed by the broker at the first try.",
                 metrics.nats_publish_failures_total);
  out.AddCounter("router_nats_publish_with_ack_total",
                 "Publish operations that ask for a JetStream ack.",
                 metrics.nats_publish_with_ack_total);
  out.AddCounter("router_messages_accepted_total",
                 "Messages whose caller was told that they are delivered, queued or dropped.",
                 metrics.messages_accepted_total);
  out.AddCounter("router_nats_publish_total",
                 "Publish operations asked of the transport, whatever came of them.",
                 metrics.nats_publish_total);
  out.AddHistogram("router_nats_publish_latency_seconds",
                   "Time from a publish call to its confirmation.",
                   metrics.nats_publish_latency_seconds);
  out.AddHistograms("router_nats_delivery_latency_seconds",
                    "Time from acceptance of a message to its confirmation by the broker.", "path",
                    {{"direct", &metrics.nats_delivery_latency_seconds.direct},
                     {"queued", &metrics.nats_delivery_latency_seconds.queued}});
}

void AddConsuming(const Metrics& metrics, Exposition& out) {
  out.AddCounter("router_nats_ack_failures_total", "Consumer acks that could not be sent.",
                 metrics.nats_ack_failures_total);
  out.AddCounter("router_nats_ack_total", "Consumer acks sent.", metrics.nats_ack_total);
  out.AddCounter("router_nats_nak_failures_total", "Consumer naks that could not be sent.",
                 metrics.nats_nak_failures_total);
  out.AddCounter("router_nats_nak_total", "Consumer naks sent.", metrics.nats_nak_total);
  out.AddCounter("router_nats_subscribe_failures_total", "Subscriptions that could not be opened.",
                 metrics.nats_subscribe_failures_total);
  out.AddCounter("router_nats_subscribe_total", "Subscriptions opened.",
                 metrics.nats_subscribe_total);
}

void AddQueue(const Metrics& metrics, Exposition& out) {
  out.AddCounter("router_nats_pending_operations_retry_success",
                 "Attempts to deliver a queued operation that the broker confirmed.",
                 metrics.nats_pending_operations_retry_success);
  out.AddCounter("router_nats_pending_operations_retry_failed",
                 "Attempts to deliver a queued operation that failed.",
                 metrics.nats_pending_operations_retry_failed);
  out.AddCounter("router_nats_pending_operations_retry", "Attempts to deliver a queued operation.",
                 metrics.nats_pending_operations_retry);
  out.AddCounter(
      "router_nats_possible_duplicates_total",
      "Messages sent again where nobody can know whether the first time had stored them.",
      metrics.nats_possible_duplicates_total);
  out.AddCounter("router_nats_pending_operations_dropped_total",
                 "Operations removed undelivered because the queue was full.",
                 metrics.nats_pending_operations_dropped_total);
  out.AddCounter("router_messages_purged_total",
                 "Queued messages removed undelivered by an operator.",
                 metrics.messages_purged_total);
  const DeadLetterCounters& dead_letters = metrics.nats_dead_letters;
  out.AddCounters("router_nats_dead_letters_total",
                  "Queued messages that became dead letters, by reason.", "reason",
                  {{"refused", &dead_letters.refused},
                   {"no_stream", &dead_letters.no_stream},
                   {"too_large", &dead_letters.too_large},
                   {"expired", &dead_letters.expired},
                   {"attempts", &dead_letters.attempts},
                   {"dropped_oldest", &dead_letters.dropped_oldest}});
  out.AddHistogram("router_spool_fsync_seconds",
                   "Time to write a batch of the pending queue to disk, fsync included.",
                   metrics.spool_fsync_seconds);
  const SpoolErrorCounters& errors = metrics.spool_errors;
  out.AddCounters("router_spool_errors_total",
                  "Failed operations of the pending queue on disk, by operation.", "op",
                  {{"open", &errors.open},
                   {"append", &errors.append},
                   {"remove", &errors.remove},
                   {"read", &errors.read},
                   {"checkpoint", &errors.checkpoint}});
}

void AddTracing(const Metrics& metrics, Exposition& out) {
  out.AddCounters("router_otlp_spans_dropped_total", "Spans that were not exported, by reason.",
                  "reason",
                  {{"buffer_full", &metrics.otlp_spans_dropped.buffer_full},
                   {"export_failed", &metrics.otlp_spans_dropped.export_failed}});
  out.AddCounter("router_otlp_export_failures_total",
                 "Requests to the collector of spans that it did not take.",
                 metrics.otlp_export_failures_total);
  out.AddCounter("router_otlp_spans_exported_total", "Spans that the collector took.",
                 metrics.otlp_spans_exported_total);
}

void AddSecurity(const Metrics& metrics, Exposition& out) {
  out.AddCounters("router_tls_reloads_total",
                  "Times that changed certificate files were read again, by result.", "result",
                  {{"ok", &metrics.tls_reloads.ok}, {"failed", &metrics.tls_reloads.failed}});
  out.AddCounters("router_access_reloads_total",
                  "Times that changed files of access control were read again, by result.",
                  "result",
                  {{"ok", &metrics.access_reloads.ok}, {"failed", &metrics.access_reloads.failed}});
  out.AddCounters("router_config_reloads_total",
                  "Times that the configuration was read again, by result.", "result",
                  {{"ok", &metrics.config_reloads.ok}, {"failed", &metrics.config_reloads.failed}});
  const AccessDeniedCounters& denied = metrics.access_denied;
  out.AddCounters("router_access_denied_total",
                  "Calls, and messages (reason subject), that callers were denied, by reason.",
                  "reason",
                  {{"unauthenticated", &denied.unauthenticated},
                   {"method", &denied.method},
                   {"subject", &denied.subject},
                   {"payloads", &denied.payloads}});
}

void AddClients(const Metrics& metrics, Exposition& out) {
  const LimitExceededCounters& exceeded = metrics.limits_exceeded;
  out.AddCounters("router_limit_exceeded_total",
                  "Calls refused, and frames of streams made to wait, by the limit of clients.",
                  "limit",
                  {{"publish_max_in_flight_bytes", &exceeded.publish_max_in_flight_bytes},
                   {"client_max_in_flight_bytes", &exceeded.client_max_in_flight_bytes},
                   {"client_max_in_flight_messages", &exceeded.client_max_in_flight_messages},
                   {"client_max_messages_per_second", &exceeded.client_max_messages_per_second},
                   {"client_max_admin_calls", &exceeded.client_max_admin_calls}});
  const ConnectionRefusalCounters& refused = metrics.connections_refused;
  out.AddCounters("router_grpc_connections_refused_total",
                  "Connections that were closed when they came in, by reason.", "reason",
                  {{"descriptors", &refused.descriptors},
                   {"connections", &refused.connections},
                   {"address_connections", &refused.address_connections},
                   {"banned", &refused.banned}});
  out.AddCounter("router_grpc_floods_ended_total",
                 "Connections that were ended because they made work and brought no messages.",
                 metrics.floods_ended_total);
  out.AddCounter("router_grpc_listener_rebuilt_total",
                 "Times that the gRPC port was not listened at any more, and was again.",
                 metrics.grpc_listener_rebuilt_total);
}

// As Unix time; 0: never.
double Timestamp(absl::Time time) {
  return time == absl::InfiniteFuture() ? 0 : absl::ToDoubleSeconds(time - absl::UnixEpoch());
}

void AddGauges(const GaugeSnapshot& gauges, Exposition& out) {
  out.AddGauge("router_nats_connection_status", "1 connected, 0.5 reconnecting, 0 disconnected.",
               gauges.nats_connection_status);
  out.AddGauge("router_nats_pending_operations_count", "Operations in the pending queue.",
               gauges.nats_pending_operations_count);
  out.AddGauge("router_nats_pending_operations_limit",
               "Most operations that the pending queue takes.",
               gauges.nats_pending_operations_limit);
  out.AddGauge("router_nats_pending_bytes", "Bytes in the pending queue.",
               gauges.nats_pending_bytes);
  out.AddGauge("router_nats_pending_bytes_limit", "Most bytes that the pending queue takes.",
               gauges.nats_pending_bytes_limit);
  out.AddGauge("router_nats_pending_oldest_age_seconds",
               "Age of the oldest operation in the pending queue; 0 when it is empty.",
               absl::ToDoubleSeconds(gauges.nats_pending_oldest_age));
  out.AddGauge(
      "router_nats_pending_drain_eta_seconds",
      "Time until the pending queue is empty at the present rate; +Inf when nothing drains.",
      absl::ToDoubleSeconds(gauges.nats_pending_drain_eta));
  out.AddGauge("router_nats_fail_open_enabled", "1 while fail-open mode is on.",
               gauges.nats_fail_open_enabled ? 1 : 0);
  out.AddGauge("router_nats_fail_open_expire_timestamp_seconds",
               "Unix time at which fail-open mode ends by itself; 0: it does not.",
               Timestamp(gauges.nats_fail_open_expire_time));
  out.AddGauge("router_nats_dead_letters_count", "Dead letters kept.",
               gauges.nats_dead_letters_count);
  out.AddGauge("router_nats_dead_letters_bytes",
               "Bytes of the dead letters; they count towards the limit of the pending queue.",
               gauges.nats_dead_letters_bytes);
  out.AddGauge("router_spool_damaged_records",
               "Queued messages found damaged or missing on disk, at most, and not acknowledged.",
               gauges.spool_damaged_records);
  out.AddGauge("router_spool_damaged",
               "1 while damage of the pending queue on disk is not acknowledged.",
               gauges.spool_damaged ? 1 : 0);
  out.AddGauge("router_tls_certificate_expire_timestamp_seconds",
               "Unix time at which the router's own certificate expires; 0: there is none.",
               Timestamp(gauges.tls_certificate_expire_time));
  out.AddGauge("router_grpc_connections", "Open connections of gRPC clients.",
               gauges.grpc_connections);
  out.AddGauge("router_clients", "Clients that limits are being kept for.", gauges.clients);
  out.AddGauge("router_publish_in_flight_bytes",
               "Bytes of messages that are published and not answered.",
               gauges.publish_in_flight_bytes);
  if (!gauges.limits.empty())
    out.AddGauges("router_limit", "Limits of what clients may do, by setting; 0: none.", "limit",
                  gauges.limits);
  out.AddGauge("router_tls_certificate_stale",
               "1 while changed certificate files cannot be used: the old ones stay in use.",
               gauges.tls_certificate_stale ? 1 : 0);
  out.AddGauge("router_access_rules_stale",
               "1 while changed files of access control cannot be used: the old rules stay.",
               gauges.access_rules_stale ? 1 : 0);
  out.AddGauge("router_config_last_reload_timestamp_seconds",
               "Unix time at which the settings in force were read: at the start, or at the last "
               "reload that went well.",
               Timestamp(gauges.config_read_time));
  out.AddGauge("router_config_last_reload_success",
               "1 unless the last reload of the configuration failed.",
               gauges.config_last_reload_ok ? 1 : 0);
  out.AddGauge("router_messages_unaccounted",
               "Accepted messages that nothing accounts for; anything but 0 is a defect.",
               gauges.messages_unaccounted);
}

}  // namespace

std::string Metrics::Render() const {
  Exposition out;
  std::function<GaugeSnapshot()> gauge_provider;
  {
    absl::MutexLock lock(&mutex_);
    gauge_provider = gauge_provider_;
    AddGrpcMethods(out);
  }
  AddGauges(gauge_provider ? gauge_provider() : GaugeSnapshot(), out);
  AddConnection(*this, out);
  AddPublishing(*this, out);
  AddConsuming(*this, out);
  AddQueue(*this, out);
  AddSecurity(*this, out);
  AddClients(*this, out);
  AddTracing(*this, out);
  AddProcess(out);
  out.AddGauge("router_build_info", "Always 1; the labels say what is running.", 1,
               {{"version", version_}, {"commit", commit_}});
  return std::move(out).Serialize();
}

void Metrics::AddGrpcMethods(Exposition& out) const {
  prometheus::MetricFamily& handled =
      out.AddFamily("router_grpc_server_handled_total",
                    "Finished calls, by method and status code.", prometheus::MetricType::Counter);
  for (const auto& [name, method] : grpc_methods_) {
    for (size_t code = 0; code < kGrpcCodeCount; ++code) {
      Exposition::AddSeries(handled,
                            {{"grpc_service", name.first},
                             {"grpc_method", name.second},
                             {"grpc_code", std::string(GrpcCodeLabel(code))}},
                            method->handled(static_cast<int>(code)));
    }
  }
  prometheus::MetricFamily& handling =
      out.AddFamily("router_grpc_server_handling_seconds",
                    "Time to answer a call (a stream: until it ended), by method.",
                    prometheus::MetricType::Histogram);
  for (const auto& [name, method] : grpc_methods_) {
    Exposition::AddSeries(handling, {{"grpc_service", name.first}, {"grpc_method", name.second}},
                          method->handling_seconds);
  }
}

}  // namespace router
