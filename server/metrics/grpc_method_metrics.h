#ifndef ROUTER_SERVER_METRICS_GRPC_METHOD_METRICS_H_
#define ROUTER_SERVER_METRICS_GRPC_METHOD_METRICS_H_

#include <array>
#include <cstddef>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/metrics/counter.h"
#include "server/metrics/histogram.h"

namespace router {

inline constexpr size_t kGrpcCodeCount = 17;

// Label value of a gRPC status code: "OK", "InvalidArgument", "ResourceExhausted", …
absl::string_view GrpcCodeLabel(size_t code);

// What is counted per gRPC method. Thread-safe and lock-free.
class GrpcMethodMetrics {
 public:
  GrpcMethodMetrics();

  // A call has ended with this status code (0 to 16; anything else counts as Unknown).
  void Handled(int code, absl::Duration handling) {
    handled(code).Increment();
    handling_seconds.Observe(handling);
  }

  Counter& handled(int code);
  const Counter& handled(int code) const;

  Histogram handling_seconds;

 private:
  std::array<Counter, kGrpcCodeCount> handled_;
};

}  // namespace router

#endif  // ROUTER_SERVER_METRICS_GRPC_METHOD_METRICS_H_
