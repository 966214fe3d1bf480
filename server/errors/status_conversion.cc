#include "server/errors/status_conversion.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "google/rpc/error_details.pb.h"
#include "server/base/utf8.h"
#include "server/errors/errors.h"

namespace router {
namespace {

std::string Utf8Message(const absl::Status& status) {
  if (IsUtf8(status.message())) return std::string(status.message());
  return absl::CHexEscape(status.message());
}

// The reason of an error that nobody gave one.
std::string ReasonForCode(absl::StatusCode code) {
  const std::string name = absl::StatusCodeToString(code);
  return code == absl::StatusCode::kUnknown || name.empty() ? "INTERNAL" : name;
}

// Codes beyond gRPC's are a mistake of ours.
int WireCode(const absl::Status& status) {
  const int code = status.raw_code();
  const bool is_known = code >= 0 && code <= static_cast<int>(absl::StatusCode::kUnauthenticated);
  return is_known ? code : static_cast<int>(absl::StatusCode::kInternal);
}

void AddDetail(absl::string_view type_url, const absl::Cord& value, google::rpc::Status* to) {
  google::protobuf::Any* detail = to->add_details();
  detail->set_type_url(std::string(type_url));
  detail->set_value(std::string(value));
}

absl::Cord GenericErrorInfo(absl::StatusCode code) {
  google::rpc::ErrorInfo info;
  info.set_reason(ReasonForCode(code));
  info.set_domain(error::kDomain);
  return absl::Cord(info.SerializeAsString());
}

}  // namespace

void ToRpcStatus(const absl::Status& status, google::rpc::Status* rpc_status) {
  rpc_status->Clear();
  if (status.ok()) return;
  const int code = WireCode(status);
  rpc_status->set_code(code);
  rpc_status->set_message(Utf8Message(status));
  AddDetail(error::kErrorInfoUrl,
            status.GetPayload(error::kErrorInfoUrl)
                .value_or(GenericErrorInfo(static_cast<absl::StatusCode>(code))),
            rpc_status);
  status.ForEachPayload([&](absl::string_view type_url, const absl::Cord& value) {
    if (type_url != error::kErrorInfoUrl) AddDetail(type_url, value, rpc_status);
  });
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status rpc_status;
  ToRpcStatus(status, &rpc_status);
  return grpc::Status(static_cast<grpc::StatusCode>(rpc_status.code()), rpc_status.message(),
                      rpc_status.SerializeAsString());
}

}  // namespace router
