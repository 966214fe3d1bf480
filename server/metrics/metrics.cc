#include "server/metrics/metrics.h"

#include <vector>

namespace router {
namespace {

constexpr struct {
  const char* service;
  const char* method;
} kGrpcMethods[] = {
    {"router.v1.PublisherService", "Publish"},
    {"router.v1.PublisherService", "PublishBatch"},
    {"router.v1.PublisherService", "PublishStream"},
    {"router.v1.AdminService", "GetStatus"},
    {"router.v1.AdminService", "WatchStatus"},
    {"router.v1.AdminService", "GetFailOpenMode"},
    {"router.v1.AdminService", "SetFailOpenMode"},
    {"router.v1.AdminService", "PauseDelivery"},
    {"router.v1.AdminService", "ResumeDelivery"},
    {"router.v1.AdminService", "Reconnect"},
    {"router.v1.AdminService", "ListPendingOperations"},
    {"router.v1.AdminService", "GetPendingOperation"},
    {"router.v1.AdminService", "RetryPendingOperations"},
    {"router.v1.AdminService", "PurgePendingOperations"},
    {"router.v1.AdminService", "ListDeadLetters"},
    {"router.v1.AdminService", "GetDeadLetter"},
    {"router.v1.AdminService", "RedriveDeadLetters"},
    {"router.v1.AdminService", "PurgeDeadLetters"},
    {"router.v1.AdminService", "ListAuditEvents"},
    {"router.v1.AdminService", "GetEffectiveConfig"},
    {"router.v1.AdminService", "ReloadConfig"},
    {"router.v1.FaultInjectionService", "SetFault"},
    {"router.v1.FaultInjectionService", "ListFaults"},
    {"router.v1.FaultInjectionService", "ClearFaults"},
};

// 0.5 ms to 10 s.
std::vector<absl::Duration> LatencyBounds() {
  return {absl::Microseconds(500), absl::Milliseconds(1),   absl::Microseconds(2500),
          absl::Milliseconds(5),   absl::Milliseconds(10),  absl::Milliseconds(25),
          absl::Milliseconds(50),  absl::Milliseconds(100), absl::Milliseconds(250),
          absl::Milliseconds(500), absl::Seconds(1),        absl::Milliseconds(2500),
          absl::Seconds(5),        absl::Seconds(10)};
}

// A queued message may have waited for as long as the broker was away.
std::vector<absl::Duration> DeliveryBounds() {
  std::vector<absl::Duration> bounds = LatencyBounds();
  bounds.insert(bounds.end(), {absl::Seconds(30), absl::Minutes(1), absl::Minutes(5),
                               absl::Minutes(30), absl::Hours(2), absl::Hours(12)});
  return bounds;
}

std::vector<absl::Duration> FsyncBounds() {
  return {absl::Microseconds(50),  absl::Microseconds(100), absl::Microseconds(250),
          absl::Microseconds(500), absl::Milliseconds(1),   absl::Microseconds(2500),
          absl::Milliseconds(5),   absl::Milliseconds(10),  absl::Milliseconds(25),
          absl::Milliseconds(50),  absl::Milliseconds(100), absl::Milliseconds(250),
          absl::Milliseconds(500), absl::Seconds(1),        absl::Seconds(5)};
}

}  // namespace

Counter& PublishFailureReasonCounters::For(FailureReason reason) {
  switch (reason) {
    case FailureReason::kNotConnected:
      return not_connected;
    case FailureReason::kTimeout:
      return timeout;
    case FailureReason::kConnectionClosed:
      return connection_closed;
    case FailureReason::kNoResponders:
      return no_responders;
    case FailureReason::kFaultInjected:
      return fault_injected;
    case FailureReason::kNone:
    case FailureReason::kBrokerError:
      break;
  }
  return broker_error;
}

DeliveryLatencyHistograms::DeliveryLatencyHistograms()
    : direct(DeliveryBounds()), queued(DeliveryBounds()) {}

Counter& DeadLetterCounters::For(absl::string_view reason) {
  if (reason == "no_stream") return no_stream;
  if (reason == "too_large") return too_large;
  if (reason == "expired") return expired;
  if (reason == "attempts") return attempts;
  if (reason == "dropped_oldest") return dropped_oldest;
  return refused;
}

Counter& SpoolErrorCounters::For(absl::string_view op) {
  if (op == "open") return open;
  if (op == "append") return append;
  if (op == "remove") return remove;
  if (op == "checkpoint") return checkpoint;
  return read;
}

Metrics::Metrics(absl::string_view version, absl::string_view commit)
    : nats_publish_latency_seconds(LatencyBounds()),
      spool_fsync_seconds(FsyncBounds()),
      version_(version),
      commit_(commit) {
  for (const auto& [service, method] : kGrpcMethods) GrpcMethod(service, method);
}

Metrics::~Metrics() = default;

void Metrics::SetGaugeProvider(std::function<GaugeSnapshot()> provider) {
  absl::MutexLock lock(&mutex_);
  gauge_provider_ = std::move(provider);
}

GrpcMethodMetrics* Metrics::GrpcMethod(absl::string_view service, absl::string_view method) {
  absl::MutexLock lock(&mutex_);
  std::unique_ptr<GrpcMethodMetrics>& entry =
      grpc_methods_[MethodName(std::string(service), std::string(method))];
  if (entry == nullptr) entry = std::make_unique<GrpcMethodMetrics>();
  return entry.get();
}

}  // namespace router
