// Errors of a router as absl::Status, with the details that came along.
#ifndef ROUTER_CLIENTS_CPP_ERRORS_H_
#define ROUTER_CLIENTS_CPP_ERRORS_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace router::client {

// The same code and message; every detail of google.rpc.Status becomes a payload under its type
// URL.
absl::Status FromRpcStatus(const google::rpc::Status& status);
absl::Status FromGrpcStatus(const grpc::Status& status);

// The machine-readable reason (`PENDING_QUEUE_FULL`, …) with the variables of the message. Absent
// where the error does not come from a router, but from the connection to it.
std::optional<google::rpc::ErrorInfo> ErrorInfoOf(const absl::Status& status);

// How long to wait before trying again. Absent where the router did not say that trying again
// helps.
std::optional<absl::Duration> RetryDelayOf(const absl::Status& status);

// The fields of the request that are wrong. Empty where the router named none.
google::rpc::BadRequest BadRequestOf(const absl::Status& status);

}  // namespace router::client

#endif  // ROUTER_CLIENTS_CPP_ERRORS_H_
