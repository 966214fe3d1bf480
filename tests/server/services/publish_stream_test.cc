// Bytes of strangers that are no protobuf, on a real server with the heart of a router behind it.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "server/limits/client_limits.h"
#include "server/metrics/metrics.h"
#include "server/services/publisher_service.h"
#include "tests/server/dispatcher/router_rig.h"
#include "tests/server/log/log_capture.h"

namespace router {
namespace {

constexpr char kBadBytes[] = "\xff\xff";

grpc::ByteBuffer Bytes(const std::string& text) {
  const grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

template <typename Proto>
Proto Parsed(grpc::ByteBuffer bytes) {
  Proto proto;
  EXPECT_TRUE(grpc::SerializationTraits<Proto>::Deserialize(&bytes, &proto).ok());
  return proto;
}

std::string ReasonOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  if (!details.ParseFromString(status.error_details()) || details.details_size() == 0 ||
      !info.ParseFromString(details.details(0).value())) {
    return "";
  }
  return info.reason();
}

// One message, or as many as told, on the subject.
std::string Frame(int messages = 1, const std::string& subject = "orders.eu") {
  v1::PublishStreamRequest request;
  for (int i = 0; i < messages; ++i) request.add_messages()->set_subject(subject);
  return request.SerializeAsString();
}

// So much that they are not reached.
ClientLimits::Limits LimitsOfTest() {
  ClientLimits::Limits limits;
  limits.in_flight_bytes_max = limits.client_in_flight_bytes_max = 1 << 20;
  limits.client_in_flight_messages_max = 1000;
  limits.shared_bytes_max = 1 << 20;
  limits.shared_messages_max = 1000;
  return limits;
}

class PublishStreamTest : public ::testing::Test {
 protected:
  // A caller that writes any bytes: of one call.
  class RawCall {
   public:
    RawCall(grpc::GenericStub* stub, const std::string& method) {
      context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
      call_ = stub->PrepareCall(&context_, "/router.v1.PublisherService/" + method, &queue_);
      call_->StartCall(nullptr);
      EXPECT_TRUE(Next());
    }
    ~RawCall() { queue_.Shutdown(); }

    void Write(const std::string& bytes) {
      call_->Write(Bytes(bytes), nullptr);
      EXPECT_TRUE(Next());
    }
    void WritesDone() {
      call_->WritesDone(nullptr);
      Next();
    }
    // False at the end of the answers.
    bool Read(grpc::ByteBuffer* bytes) {
      call_->Read(bytes, nullptr);
      return Next();
    }
    grpc::Status Finish() {
      grpc::Status status;
      call_->Finish(&status, nullptr);
      EXPECT_TRUE(Next());
      return status;
    }

   private:
    bool Next() {
      void* tag = nullptr;
      bool ok = false;
      return queue_.Next(&tag, &ok) && ok;
    }

    grpc::ClientContext context_;
    grpc::CompletionQueue queue_;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  };

  PublishStreamTest()
      : service_({}, &rig_.clock, &rig_.dispatcher, &rig_.transport, &limits_, nullptr, &metrics_,
                 nullptr) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    service_.Register(&builder);
    server_ = builder.BuildAndStart();
    service_.Start();
    stub_ = std::make_unique<grpc::GenericStub>(grpc::CreateChannel(
        "127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  }
  ~PublishStreamTest() override {
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(20));
    service_.Shutdown();
  }

  // The dispatcher has handed so many messages to the queue, which commits when it is told to.
  void WaitForAppending(int64_t count) {
    ASSERT_TRUE(Eventually([&] { return rig_.ledger().appending_count == count; }));
  }

  uint64_t Handled(grpc::StatusCode code) {
    return metrics_.GrpcMethod("router.v1.PublisherService", "PublishStream")
        ->handled(code)
        .Value();
  }

  RouterRig rig_;
  Metrics metrics_{"test", "test"};
  LogCapture capture_;
  Logger log_{{}, &rig_.clock, capture_.AsSink()};
  ClientLimits limits_{LimitsOfTest(), &rig_.clock, &log_, &metrics_};
  PublisherService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::GenericStub> stub_;
};

TEST_F(PublishStreamTest, BytesThatAreNoFrameEndTheStreamAfterTheAnswersBeforeThem) {
  RawCall call(stub_.get(), "PublishStream");
  call.Write(Frame(2));
  call.Write(Frame(1));
  WaitForAppending(3);
  call.Write(kBadBytes);
  call.Write(Frame(1));  // Nobody looks at it any more.
  rig_.queue.Flush();
  uint64_t answered = 0;
  for (grpc::ByteBuffer bytes; call.Read(&bytes); bytes.Clear()) {
    const auto response = Parsed<v1::PublishStreamResponse>(bytes);
    for (const v1::PublishStreamRange& range : response.ranges()) {
      EXPECT_EQ(range.outcome(), v1::PUBLISH_OUTCOME_QUEUED);
      answered += range.last() - range.first() + 1;
    }
  }
  EXPECT_EQ(answered, 3u);
  const grpc::Status status = call.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "FRAME_INVALID");
  EXPECT_EQ(Handled(grpc::StatusCode::INVALID_ARGUMENT), 1u);
  EXPECT_EQ(Handled(grpc::StatusCode::OK), 0u);
}

TEST_F(PublishStreamTest, TextThatIsNotUtf8IsNoFrame) {
  std::string frame = Frame(1, "orders.eu");
  frame[frame.find("eu")] = '\xff';
  RawCall call(stub_.get(), "PublishStream");
  call.Write(frame);
  grpc::ByteBuffer bytes;
  EXPECT_FALSE(call.Read(&bytes));
  EXPECT_EQ(ReasonOf(call.Finish()), "FRAME_INVALID");
}

TEST_F(PublishStreamTest, AFrameWithoutMessagesIsAnErrorOfItsOwn) {
  RawCall call(stub_.get(), "PublishStream");
  call.Write("");
  grpc::ByteBuffer bytes;
  EXPECT_FALSE(call.Read(&bytes));
  EXPECT_EQ(ReasonOf(call.Finish()), "BATCH_INVALID");
}

TEST_F(PublishStreamTest, ACallerThatHasSaidAllGetsOk) {
  RawCall call(stub_.get(), "PublishStream");
  call.Write(Frame(1));
  WaitForAppending(1);
  call.WritesDone();
  rig_.queue.Flush();
  grpc::ByteBuffer bytes;
  ASSERT_TRUE(call.Read(&bytes));
  EXPECT_EQ(Parsed<v1::PublishStreamResponse>(bytes).ranges_size(), 1);
  EXPECT_FALSE(call.Read(&bytes));
  EXPECT_TRUE(call.Finish().ok());
  EXPECT_EQ(Handled(grpc::StatusCode::OK), 1u);
}

TEST_F(PublishStreamTest, UnaryCallsThatAreNoProtobufAreRefusedAndTheNextIsServed) {
  for (const char* method : {"Publish", "PublishBatch"}) {
    RawCall call(stub_.get(), method);
    call.Write(kBadBytes);
    call.WritesDone();
    grpc::ByteBuffer bytes;
    EXPECT_FALSE(call.Read(&bytes));
    EXPECT_EQ(ReasonOf(call.Finish()), "REQUEST_INVALID") << method;
  }
  v1::PublishRequest request;
  request.mutable_message()->set_subject("a b");
  RawCall call(stub_.get(), "Publish");
  call.Write(request.SerializeAsString());
  call.WritesDone();
  grpc::ByteBuffer bytes;
  EXPECT_FALSE(call.Read(&bytes));
  EXPECT_EQ(ReasonOf(call.Finish()), "SUBJECT_INVALID");
}

}  // namespace
}  // namespace router
