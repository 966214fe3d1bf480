#include "server/errors/status_conversion.h"

#include <string>

#include "absl/strings/cord.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "server/errors/errors.h"

namespace router {
namespace {

google::rpc::Status Convert(const absl::Status& status) {
  google::rpc::Status rpc_status;
  rpc_status.set_message("left from before");
  ToRpcStatus(status, &rpc_status);
  return rpc_status;
}

google::rpc::ErrorInfo FirstDetail(const google::rpc::Status& status) {
  google::rpc::ErrorInfo info;
  EXPECT_GT(status.details_size(), 0);
  EXPECT_TRUE(status.details(0).UnpackTo(&info));
  return info;
}

TEST(StatusConversionTest, OkIsEmpty) {
  EXPECT_EQ(Convert(absl::OkStatus()).ByteSizeLong(), 0u);
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_EQ(ToGrpcStatus(absl::OkStatus()).error_details(), "");
}

TEST(StatusConversionTest, CarriesCodeMessageAndDetailsWithErrorInfoFirst) {
  const absl::Status status = error::PendingQueueFull(10, 10, 500, 1000);
  const google::rpc::Status rpc_status = Convert(status);
  EXPECT_EQ(rpc_status.code(), 8);
  EXPECT_EQ(rpc_status.message(), status.message());
  ASSERT_EQ(rpc_status.details_size(), 2);
  EXPECT_EQ(FirstDetail(rpc_status).reason(), "PENDING_QUEUE_FULL");
  EXPECT_EQ(FirstDetail(rpc_status).metadata().at("bytes_max"), "1000");
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(rpc_status.details(1).UnpackTo(&retry));
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
}

TEST(StatusConversionTest, FieldViolationTravels) {
  const google::rpc::Status rpc_status = Convert(error::SubjectInvalid("a b", "why"));
  google::rpc::BadRequest bad_request;
  ASSERT_EQ(rpc_status.details_size(), 2);
  ASSERT_TRUE(rpc_status.details(1).UnpackTo(&bad_request));
  EXPECT_EQ(bad_request.field_violations(0).field(), "subject");
}

TEST(StatusConversionTest, GrpcStatusHoldsTheSameDetailsInBinary) {
  const absl::Status status = error::EtagMismatch("1", "2");
  const grpc::Status grpc_status = ToGrpcStatus(status);
  EXPECT_EQ(grpc_status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(grpc_status.error_message(), status.message());
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(grpc_status.error_details()));
  EXPECT_EQ(details.code(), 10);
  EXPECT_EQ(FirstDetail(details).reason(), "ETAG_MISMATCH");
}

TEST(StatusConversionTest, ErrorWithoutDetailsStillGetsErrorInfo) {
  const google::rpc::ErrorInfo info = FirstDetail(Convert(absl::InternalError("a bug")));
  EXPECT_EQ(info.reason(), "INTERNAL");
  EXPECT_EQ(info.domain(), "router");
  EXPECT_EQ(FirstDetail(Convert(absl::UnknownError("?"))).reason(), "INTERNAL");
  EXPECT_EQ(FirstDetail(Convert(absl::UnavailableError("?"))).reason(), "UNAVAILABLE");
}

TEST(StatusConversionTest, CodeThatGrpcDoesNotHaveBecomesInternal) {
  const absl::Status status(static_cast<absl::StatusCode>(77), "what?");
  EXPECT_EQ(Convert(status).code(), 13);
  EXPECT_EQ(ToGrpcStatus(status).error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(FirstDetail(Convert(status)).reason(), "INTERNAL");
}

TEST(StatusConversionTest, MessageIsAlwaysUtf8) {
  const google::rpc::Status rpc_status = Convert(absl::InternalError("bad \xff byte"));
  EXPECT_EQ(rpc_status.message(), "bad \\xff byte");
  EXPECT_EQ(ToGrpcStatus(absl::InternalError("bad \xff byte")).error_message(), "bad \\xff byte");
  EXPECT_EQ(Convert(absl::InternalError("caf\xc3\xa9")).message(), "caf\xc3\xa9");
}

}  // namespace
}  // namespace router
