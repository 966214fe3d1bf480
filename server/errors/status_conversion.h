// From the statuses used inside to those that travel. For services only.
#ifndef ROUTER_SERVER_ERRORS_STATUS_CONVERSION_H_
#define ROUTER_SERVER_ERRORS_STATUS_CONVERSION_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"

namespace router {

// The status with its payloads as details, the ErrorInfo first. An error that has no ErrorInfo was
// not meant for callers: it gets one with the reason of its code, INTERNAL where nothing fits, so
// that every error a client sees has one. Bytes that are not UTF-8 are escaped. OK has no details.
void ToRpcStatus(const absl::Status& status, google::rpc::Status* rpc_status);

// The same for a call: code, message, and the google.rpc.Status as binary error details.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace router

#endif  // ROUTER_SERVER_ERRORS_STATUS_CONVERSION_H_
