// The bare server on the callback API and on the synchronous one.
#include <memory>

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/server_callback.h>

#include "router/v1/publisher.grpc.pb.h"
#include "tests/benchmarks/bare_server.h"

namespace router {
namespace {

void Serve(const std::string& address, grpc::Service* service) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.SetMaxReceiveMessageSize(-1);
  builder.RegisterService(service);
  builder.BuildAndStart()->Wait();
}

// Reads a frame, answers it, reads the next; deletes itself.
class StreamReactor final
    : public grpc::ServerBidiReactor<v1::PublishStreamRequest, v1::PublishStreamResponse> {
 public:
  StreamReactor() { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    response_.Clear();
    Answer(request_, &next_number_, &response_);
    StartWrite(&response_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    StartRead(&request_);
  }

  void OnDone() override { delete this; }

 private:
  v1::PublishStreamRequest request_;
  v1::PublishStreamResponse response_;
  uint64_t next_number_ = 1;
};

class CallbackService final : public v1::PublisherService::CallbackService {
 public:
  explicit CallbackService(BareAnswers answers) : answers_(answers) {}

  grpc::ServerUnaryReactor* Publish(grpc::CallbackServerContext* context,
                                    const v1::PublishRequest* request,
                                    v1::PublishResponse* response) override {
    return Reply(context, *request, response);
  }

  grpc::ServerUnaryReactor* PublishBatch(grpc::CallbackServerContext* context,
                                         const v1::PublishBatchRequest* request,
                                         v1::PublishBatchResponse* response) override {
    return Reply(context, *request, response);
  }

  grpc::ServerBidiReactor<v1::PublishStreamRequest, v1::PublishStreamResponse>* PublishStream(
      grpc::CallbackServerContext*) override {
    return new StreamReactor;
  }

 private:
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Reply(grpc::CallbackServerContext* context, const Request& request,
                                  Response* response) {
    Answer(answers_, request, response);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  const BareAnswers answers_;
};

class SynchronousService final : public v1::PublisherService::Service {
 public:
  explicit SynchronousService(BareAnswers answers) : answers_(answers) {}

  grpc::Status Publish(grpc::ServerContext*, const v1::PublishRequest* request,
                       v1::PublishResponse* response) override {
    Answer(answers_, *request, response);
    return grpc::Status::OK;
  }

  grpc::Status PublishBatch(grpc::ServerContext*, const v1::PublishBatchRequest* request,
                            v1::PublishBatchResponse* response) override {
    Answer(answers_, *request, response);
    return grpc::Status::OK;
  }

  grpc::Status PublishStream(grpc::ServerContext*,
                             grpc::ServerReaderWriter<v1::PublishStreamResponse,
                                                      v1::PublishStreamRequest>* stream) override {
    v1::PublishStreamRequest request;
    v1::PublishStreamResponse response;
    uint64_t next_number = 1;
    while (stream->Read(&request)) {
      response.Clear();
      Answer(request, &next_number, &response);
      if (!stream->Write(response)) break;
    }
    return grpc::Status::OK;
  }

 private:
  const BareAnswers answers_;
};

}  // namespace

void ServeByCallbacks(const std::string& address, BareAnswers answers) {
  CallbackService service(answers);
  Serve(address, &service);
}

void ServeSynchronously(const std::string& address, BareAnswers answers) {
  SynchronousService service(answers);
  Serve(address, &service);
}

}  // namespace router
