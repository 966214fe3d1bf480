#include "server/metrics/grpc_method_metrics.h"

namespace router {
namespace {

constexpr int kUnknownCode = 2;

constexpr std::array<const char*, kGrpcCodeCount> kCodeLabels = {
    "OK",       "Canceled",        "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",   "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",      "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated",
};

size_t IndexOf(int code) {
  return code < 0 || code >= static_cast<int>(kGrpcCodeCount) ? kUnknownCode : code;
}

// Streams live for long, so the last bounds are minutes and hours.
std::vector<absl::Duration> HandlingBounds() {
  return {absl::Microseconds(500), absl::Milliseconds(1),   absl::Microseconds(2500),
          absl::Milliseconds(5),   absl::Milliseconds(10),  absl::Milliseconds(25),
          absl::Milliseconds(50),  absl::Milliseconds(100), absl::Milliseconds(250),
          absl::Milliseconds(500), absl::Seconds(1),        absl::Milliseconds(2500),
          absl::Seconds(5),        absl::Seconds(10),       absl::Minutes(1),
          absl::Minutes(10),       absl::Hours(1)};
}

}  // namespace

absl::string_view GrpcCodeLabel(size_t code) { return kCodeLabels[code]; }

GrpcMethodMetrics::GrpcMethodMetrics() : handling_seconds(HandlingBounds()) {}

Counter& GrpcMethodMetrics::handled(int code) { return handled_[IndexOf(code)]; }

const Counter& GrpcMethodMetrics::handled(int code) const { return handled_[IndexOf(code)]; }

}  // namespace router
