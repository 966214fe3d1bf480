// The bare server on completion queues: calls are new objects that delete themselves.
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>

#include "router/v1/publisher.grpc.pb.h"
#include "tests/benchmarks/bare_server.h"

namespace router {
namespace {

// Calls of each kind that wait for a client, per queue.
constexpr int kWaitingCalls = 128;

using Service = v1::PublisherService::AsyncService;

struct Context {
  Service service;
  BareAnswers answers = BareAnswers::kOutcomes;
};

class Tag {
 public:
  virtual ~Tag() = default;
  virtual void Complete(bool ok) = 0;
};

template <typename Request, typename Response>
class UnaryCall final : public Tag {
 public:
  using RequestMethod = void (Service::*)(grpc::ServerContext*, Request*,
                                          grpc::ServerAsyncResponseWriter<Response>*,
                                          grpc::CompletionQueue*, grpc::ServerCompletionQueue*,
                                          void*);

  UnaryCall(Context* context, RequestMethod method, grpc::ServerCompletionQueue* queue)
      : context_(context), method_(method), queue_(queue), writer_(&server_context_) {
    (context->service.*method)(&server_context_, &request_, &writer_, queue, queue,
                               static_cast<Tag*>(this));
  }

  void Complete(bool ok) override {
    if (answered_ || !ok) {
      delete this;
      return;
    }
    new UnaryCall(context_, method_, queue_);
    answered_ = true;
    Response response;
    Answer(context_->answers, request_, &response);
    writer_.Finish(response, grpc::Status::OK, static_cast<Tag*>(this));
  }

 private:
  Context* const context_;
  const RequestMethod method_;
  grpc::ServerCompletionQueue* const queue_;
  grpc::ServerContext server_context_;
  Request request_;
  grpc::ServerAsyncResponseWriter<Response> writer_;
  bool answered_ = false;
};

// Reads a frame, answers it, reads the next.
class StreamCall final : public Tag {
 public:
  StreamCall(Context* context, grpc::ServerCompletionQueue* queue)
      : context_(context), queue_(queue), stream_(&server_context_) {
    context->service.RequestPublishStream(&server_context_, &stream_, queue, queue,
                                          static_cast<Tag*>(this));
  }

  void Complete(bool ok) override {
    switch (waits_for_) {
      case Event::kCall:
        if (!ok) break;
        new StreamCall(context_, queue_);
        return Read();
      case Event::kFrame:
        if (!ok) return Finish();
        waits_for_ = Event::kWritten;
        response_.Clear();
        Answer(request_, &next_number_, &response_);
        stream_.Write(response_, static_cast<Tag*>(this));
        return;
      case Event::kWritten:
        return ok ? Read() : Finish();
      case Event::kFinished:
        break;
    }
    delete this;
  }

 private:
  enum class Event { kCall, kFrame, kWritten, kFinished };

  void Read() {
    waits_for_ = Event::kFrame;
    stream_.Read(&request_, static_cast<Tag*>(this));
  }

  void Finish() {
    waits_for_ = Event::kFinished;
    stream_.Finish(grpc::Status::OK, static_cast<Tag*>(this));
  }

  Context* const context_;
  grpc::ServerCompletionQueue* const queue_;
  grpc::ServerContext server_context_;
  grpc::ServerAsyncReaderWriter<v1::PublishStreamResponse, v1::PublishStreamRequest> stream_;
  v1::PublishStreamRequest request_;
  v1::PublishStreamResponse response_;
  uint64_t next_number_ = 1;
  Event waits_for_ = Event::kCall;
};

void Serve(Context* context, grpc::ServerCompletionQueue* queue) {
  using Unary = UnaryCall<v1::PublishRequest, v1::PublishResponse>;
  using Batch = UnaryCall<v1::PublishBatchRequest, v1::PublishBatchResponse>;
  for (int i = 0; i < kWaitingCalls; ++i) {
    new Unary(context, &Service::RequestPublish, queue);
    new Batch(context, &Service::RequestPublishBatch, queue);
    new StreamCall(context, queue);
  }
  void* tag = nullptr;
  bool ok = false;
  while (queue->Next(&tag, &ok)) static_cast<Tag*>(tag)->Complete(ok);
}

}  // namespace

void ServeByCompletionQueues(const std::string& address, int threads, BareAnswers answers) {
  Context context;
  context.answers = answers;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.SetMaxReceiveMessageSize(-1);
  builder.RegisterService(&context.service);
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
  for (int i = 0; i < threads; ++i) queues.push_back(builder.AddCompletionQueue());
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  std::vector<std::thread> serving;
  for (const auto& queue : queues) serving.emplace_back(Serve, &context, queue.get());
  for (std::thread& thread : serving) thread.join();
}

}  // namespace router
