#include "tests/clients/fake_router.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace router::testing {
namespace {

// protobuf builds descriptors when they are first asked for. ThreadSanitizer cannot see into the
// packaged library how that is ordered between threads, so it is done before there are any.
void BuildDescriptors() {
  v1::Message::descriptor();
  v1::PublishRequest::descriptor();
  v1::RouterStatus::descriptor();
}

}  // namespace

FakeRouter::FakeRouter() {
  BuildDescriptors();
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&publisher_);
  builder.RegisterService(&admin_);
  server_ = builder.BuildAndStart();
  address_ = absl::StrCat("127.0.0.1:", port);
}

FakeRouter::~FakeRouter() {
  publisher_.Stop();
  server_->Shutdown(absl::ToChronoTime(absl::Now()));
}

grpc::Status RouterError(grpc::StatusCode code, const std::string& message,
                         const std::string& reason, std::optional<absl::Duration> retry_delay) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("router");
  (*info.mutable_metadata())["limit"] = "10";
  status.add_details()->PackFrom(info);
  if (retry_delay.has_value()) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(absl::ToInt64Seconds(*retry_delay));
    status.add_details()->PackFrom(retry);
  }
  return grpc::Status(code, message, status.SerializeAsString());
}

}  // namespace router::testing
