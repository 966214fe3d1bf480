#include "server/services/health_service.h"

#include <chrono>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "gtest/gtest.h"

namespace router {
namespace {

using ::grpc::health::v1::Health;
using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;

class HealthServiceTest : public ::testing::Test {
 protected:
  HealthServiceTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    health_.Register(&builder);
    queue_ = std::make_unique<CallQueue>(builder.AddCompletionQueue());
    server_ = builder.BuildAndStart();
    health_.Start(queue_.get());
    queue_->Start();
    stub_ = Health::NewStub(grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                                                grpc::InsecureChannelCredentials()));
  }
  ~HealthServiceTest() override { Shutdown(); }

  void Shutdown() {
    if (server_ == nullptr) return;
    health_.Stop();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(20));
    queue_->Shutdown();
    server_ = nullptr;
  }

  static void SetDeadline(grpc::ClientContext* context) {
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  }

  grpc::Status Check(const std::string& service, HealthCheckResponse* response) {
    grpc::ClientContext context;
    SetDeadline(&context);
    HealthCheckRequest request;
    request.set_service(service);
    return stub_->Check(&context, request, response);
  }

  HealthCheckResponse::ServingStatus StatusOf(const std::string& service) {
    HealthCheckResponse response;
    const grpc::Status status = Check(service, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.status();
  }

  // A call of Watch, and what it tells.
  struct Watch {
    Watch(Health::Stub* stub, const std::string& service) {
      SetDeadline(&context);
      HealthCheckRequest request;
      request.set_service(service);
      reader = stub->Watch(&context, request);
    }
    HealthCheckResponse::ServingStatus Next() {
      HealthCheckResponse response;
      EXPECT_TRUE(reader->Read(&response));
      return response.status();
    }
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> reader;
  };

  HealthService health_;
  std::unique_ptr<CallQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Health::Stub> stub_;
};

TEST_F(HealthServiceTest, ChecksSayWhatWasSet) {
  health_.SetServing("", true);
  health_.SetServing("spool", false);
  EXPECT_EQ(StatusOf(""), HealthCheckResponse::SERVING);
  EXPECT_EQ(StatusOf("spool"), HealthCheckResponse::NOT_SERVING);
  health_.SetServing("spool", true);
  EXPECT_EQ(StatusOf("spool"), HealthCheckResponse::SERVING);
}

TEST_F(HealthServiceTest, AnUnknownServiceIsNotFound) {
  HealthCheckResponse response;
  EXPECT_EQ(Check("no.such.Service", &response).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(HealthServiceTest, AWatchIsToldTheStateAndEveryChange) {
  health_.SetServing("readiness", true);
  Watch watch(stub_.get(), "readiness");
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
  health_.SetServing("readiness", false);
  EXPECT_EQ(watch.Next(), HealthCheckResponse::NOT_SERVING);
  health_.SetServing("readiness", true);
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
}

TEST_F(HealthServiceTest, AWatchOfAnUnknownServiceWaitsForIt) {
  Watch watch(stub_.get(), "late");
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVICE_UNKNOWN);
  health_.SetServing("late", true);
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
}

TEST_F(HealthServiceTest, AWatchThatTheCallerEndsLeavesTheOthersAlone) {
  health_.SetServing("", true);
  auto gone = std::make_unique<Watch>(stub_.get(), "");
  Watch stays(stub_.get(), "");
  EXPECT_EQ(gone->Next(), HealthCheckResponse::SERVING);
  EXPECT_EQ(stays.Next(), HealthCheckResponse::SERVING);
  gone->context.TryCancel();
  gone->reader->Finish();
  gone = nullptr;
  health_.SetServing("", false);
  EXPECT_EQ(stays.Next(), HealthCheckResponse::NOT_SERVING);
}

TEST_F(HealthServiceTest, AShutdownEndsWatches) {
  health_.SetServing("", true);
  Watch watch(stub_.get(), "");
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
  Shutdown();
  HealthCheckResponse response;
  EXPECT_FALSE(watch.reader->Read(&response));
  EXPECT_EQ(watch.reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace router
