#include "server/services/method_metrics.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "router/v1/admin.grpc.pb.h"
#include "server/services/call_queue.h"

namespace router {
namespace {

using ::testing::HasSubstr;

constexpr char kAdmin[] = "router.v1.AdminService";
constexpr char kFaultInjection[] = "router.v1.FaultInjectionService";

class AdminWithStatus final : public v1::AdminService::Service {
  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::GetStatusResponse*) override {
    return grpc::Status::OK;
  }
};

class MethodMetricsTest : public ::testing::Test {
 protected:
  void Start(grpc::Service* admin) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(admin);
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> factories;
    factories.push_back(std::make_unique<MethodMetricsFactory>(
        std::vector<std::string>{kAdmin, kFaultInjection}, SystemClock(), &metrics_));
    builder.experimental().SetInterceptorCreators(std::move(factories));
    queue_ = std::make_unique<CallQueue>(builder.AddCompletionQueue());
    server_ = builder.BuildAndStart();
    queue_->Start();
    channel_ =
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
  }

  ~MethodMetricsTest() override {
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(20));
    queue_->Shutdown();
  }

  // What a call of a method gets that need not exist.
  grpc::StatusCode Call(const std::string& path) {
    grpc::TemplatedGenericStub<v1::GetStatusRequest, v1::GetStatusResponse> stub(channel_);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    grpc::CompletionQueue queue;
    const v1::GetStatusRequest request;
    v1::GetStatusResponse response;
    grpc::Status status;
    const auto call = stub.PrepareUnaryCall(&context, path, request, &queue);
    call->StartCall();
    call->Finish(&response, &status, &status);
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(queue.Next(&tag, &ok));
    return status.error_code();
  }

  static std::vector<std::string> LinesOf(const Metrics& metrics) {
    std::vector<std::string> lines;
    for (const absl::string_view line : absl::StrSplit(metrics.Render(), '\n')) {
      if (absl::StartsWith(line, "router_grpc_server_")) lines.emplace_back(line);
    }
    return lines;
  }

  Metrics metrics_{"1.0", "commit"};
  AdminWithStatus admin_;
  v1::AdminService::AsyncService asynchronous_admin_;
  std::unique_ptr<CallQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(MethodMetricsTest, CountsACallOfAMethodThatExists) {
  Start(&admin_);
  EXPECT_EQ(Call(absl::StrCat("/", kAdmin, "/GetStatus")), grpc::StatusCode::OK);
  EXPECT_THAT(metrics_.Render(),
              HasSubstr("router_grpc_server_handled_total{grpc_service=\"router.v1.AdminService\","
                        "grpc_method=\"GetStatus\",grpc_code=\"OK\"} 1\n"));
}

TEST_F(MethodMetricsTest, NamesThatCallersMakeUpAreNoLabels) {
  // Of a server whose services are all asynchronous, gRPC shows the paths as callers have sent
  // them.
  Start(&asynchronous_admin_);
  for (const char* service : {kAdmin, kFaultInjection, "router.v1.PublisherService", "none"}) {
    for (int i = 0; i < 50; ++i) {
      ASSERT_EQ(Call(absl::StrCat("/", service, "/MadeUp", i)), grpc::StatusCode::UNIMPLEMENTED);
    }
    ASSERT_EQ(Call(absl::StrCat("/", service, "/")), grpc::StatusCode::UNIMPLEMENTED);
  }
  EXPECT_EQ(LinesOf(metrics_), LinesOf(Metrics("1.0", "commit")));
}

}  // namespace
}  // namespace router
