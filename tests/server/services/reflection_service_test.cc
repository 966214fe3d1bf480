#include "server/services/reflection_service.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/descriptor_database.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "router/v1/message.pb.h"

namespace router {
namespace {

using ::google::protobuf::DescriptorPool;
using ::google::protobuf::FileDescriptorProto;
using ::grpc::reflection::v1::ServerReflection;
using ::grpc::reflection::v1::ServerReflectionRequest;
using ::grpc::reflection::v1::ServerReflectionResponse;

class ReflectionServiceTest : public ::testing::Test {
 protected:
  using Stream = grpc::ClientReaderWriter<ServerReflectionRequest, ServerReflectionResponse>;

  ReflectionServiceTest()
      : service_({"router.v1.PublisherService", "grpc.health.v1.Health"}, nullptr) {
    // The program's messages register themselves where something of their file is used.
    v1::Message::default_instance();
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    service_.Register(&builder);
    queue_ = std::make_unique<CallQueue>(builder.AddCompletionQueue());
    server_ = builder.BuildAndStart();
    service_.Start(queue_.get());
    queue_->Start();
    stub_ = ServerReflection::NewStub(grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                                                          grpc::InsecureChannelCredentials()));
    NewStream();
  }

  ~ReflectionServiceTest() override {
    context_->TryCancel();
    stream_ = nullptr;
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
    queue_->Shutdown();
  }

  void NewStream() {
    if (stream_ != nullptr) context_->TryCancel();
    stream_ = nullptr;
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    stream_ = stub_->ServerReflectionInfo(context_.get());
  }

  ServerReflectionResponse Ask(const ServerReflectionRequest& request) {
    ServerReflectionResponse response;
    EXPECT_TRUE(stream_->Write(request));
    EXPECT_TRUE(stream_->Read(&response));
    EXPECT_EQ(response.valid_host(), request.host());
    EXPECT_EQ(response.original_request().SerializeAsString(), request.SerializeAsString());
    return response;
  }

  ServerReflectionResponse AskForFile(const std::string& name) {
    ServerReflectionRequest request;
    request.set_file_by_filename(name);
    return Ask(request);
  }

  ServerReflectionResponse AskForSymbol(const std::string& name) {
    ServerReflectionRequest request;
    request.set_file_containing_symbol(name);
    return Ask(request);
  }

  static std::vector<FileDescriptorProto> FilesIn(const ServerReflectionResponse& response) {
    std::vector<FileDescriptorProto> files;
    for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
      files.emplace_back();
      EXPECT_TRUE(files.back().ParseFromString(bytes));
    }
    return files;
  }

  ReflectionService service_;
  std::unique_ptr<CallQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<ServerReflection::Stub> stub_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<Stream> stream_;
};

TEST_F(ReflectionServiceTest, ListsTheServicesItWasTold) {
  ServerReflectionRequest request;
  request.set_host("somewhere");
  request.set_list_services("");
  const ServerReflectionResponse response = Ask(request);
  ASSERT_EQ(response.list_services_response().service_size(), 2);
  EXPECT_EQ(response.list_services_response().service(0).name(), "router.v1.PublisherService");
  EXPECT_EQ(response.list_services_response().service(1).name(), "grpc.health.v1.Health");
}

TEST_F(ReflectionServiceTest, FileComesFirstAndWithAllThatItNeeds) {
  const std::vector<FileDescriptorProto> files = FilesIn(AskForFile("router/v1/message.proto"));
  ASSERT_GT(files.size(), 1u);
  EXPECT_EQ(files[0].name(), "router/v1/message.proto");
  // Enough to build it from nothing.
  google::protobuf::SimpleDescriptorDatabase database;
  for (const FileDescriptorProto& file : files) EXPECT_TRUE(database.Add(file)) << "sent twice";
  DescriptorPool pool(&database);
  EXPECT_NE(pool.FindMessageTypeByName("router.v1.PublishResult"), nullptr);
}

TEST_F(ReflectionServiceTest, SymbolsOfEveryKindAreFound) {
  for (const char* symbol : {"router.v1.Message", "router.v1.Message.subject",
                             "router.v1.Guarantee", "router.v1.GUARANTEE_STORED"}) {
    const std::vector<FileDescriptorProto> files = FilesIn(AskForSymbol(symbol));
    ASSERT_FALSE(files.empty()) << symbol;
    EXPECT_EQ(files[0].name(), "router/v1/message.proto");
  }
  EXPECT_EQ(FilesIn(AskForSymbol("grpc.reflection.v1.ServerReflection"))[0].name(),
            "grpc/reflection/v1/reflection.proto");
  EXPECT_EQ(
      FilesIn(AskForSymbol("grpc.reflection.v1.ServerReflection.ServerReflectionInfo")).size(), 1u)
      << "no dependencies";
}

TEST_F(ReflectionServiceTest, DependenciesAreSentOncePerStream) {
  EXPECT_GT(FilesIn(AskForFile("router/v1/message.proto")).size(), 1u);
  EXPECT_EQ(FilesIn(AskForFile("router/v1/message.proto")).size(), 1u) << "what was asked for";
  EXPECT_EQ(FilesIn(AskForFile("google/rpc/status.proto")).size(), 1u);
  NewStream();
  EXPECT_GT(FilesIn(AskForFile("router/v1/message.proto")).size(), 1u) << "another stream";
}

TEST_F(ReflectionServiceTest, UnknownNamesAreNotFoundAndTheStreamGoesOn) {
  for (const std::string& name : {std::string("no/such.proto"), std::string()}) {
    const ServerReflectionResponse response = AskForFile(name);
    EXPECT_EQ(response.error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  }
  for (const std::string& name :
       {std::string("router.v1.Nothing"), std::string(), std::string(".")}) {
    EXPECT_EQ(AskForSymbol(name).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  }
  EXPECT_FALSE(FilesIn(AskForSymbol("router.v1.Message")).empty());
}

TEST_F(ReflectionServiceTest, HostileNamesAreEscapedAndCut) {
  const std::string message =
      AskForSymbol("\x1b[31m" + std::string(1 << 20, 'x')).error_response().error_message();
  EXPECT_LT(message.size(), 300u);
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
}

TEST_F(ReflectionServiceTest, RequestForNothingIsAnError) {
  EXPECT_EQ(Ask(ServerReflectionRequest()).error_response().error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ReflectionServiceTest, ExtensionsAreLookedUp) {
  ServerReflectionRequest request;
  request.set_all_extension_numbers_of_type("router.v1.Message");
  ServerReflectionResponse response = Ask(request);
  EXPECT_EQ(response.all_extension_numbers_response().base_type_name(), "router.v1.Message");
  EXPECT_EQ(response.all_extension_numbers_response().extension_number_size(), 0);

  request.set_all_extension_numbers_of_type("router.v1.Nothing");
  EXPECT_EQ(Ask(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);

  request.mutable_file_containing_extension()->set_containing_type("router.v1.Message");
  request.mutable_file_containing_extension()->set_extension_number(1000);
  EXPECT_EQ(Ask(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  request.mutable_file_containing_extension()->set_containing_type("router.v1.Nothing");
  EXPECT_EQ(Ask(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ReflectionServiceTest, EndsWithTheClient) {
  AskForSymbol("router.v1.Message");
  stream_->WritesDone();
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(ReflectionServiceTest, IdleStreamsHoldUpNeitherOthersNorShutdown) {
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<Stream>> idle;
  for (int i = 0; i < 50; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    idle.push_back(stub_->ServerReflectionInfo(contexts.back().get()));
    ServerReflectionResponse response;
    EXPECT_TRUE(idle.back()->Write(ServerReflectionRequest()));
    EXPECT_TRUE(idle.back()->Read(&response));
  }
  EXPECT_FALSE(FilesIn(AskForSymbol("router.v1.Message")).empty());
  const auto begin = std::chrono::steady_clock::now();
  server_->Shutdown(std::chrono::system_clock::now());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  for (auto& stream : idle) EXPECT_FALSE(stream->Finish().ok());
}

TEST_F(ReflectionServiceTest, ClientThatHangsUpIsNoProblem) {
  for (int i = 0; i < 20; ++i) {
    NewStream();
    ServerReflectionRequest request;
    request.set_file_by_filename("router/v1/message.proto");
    stream_->Write(request);
    context_->TryCancel();
  }
  NewStream();
  EXPECT_FALSE(FilesIn(AskForSymbol("router.v1.Message")).empty());
}

}  // namespace
}  // namespace router
