#include "server/services/publisher_service.h"

#include "server/services/completion_tag.h"
#include "server/services/publish_call.h"

namespace router {
namespace {

// Handlers that wait for a call, per queue. Unary calls come in bursts; streams stay.
constexpr int kWaitingPublish = 128;
constexpr int kWaitingPublishBatch = 16;
constexpr int kWaitingPublishStream = 4;

void Serve(grpc::ServerCompletionQueue* queue) {
  void* tag = nullptr;
  bool ok = false;
  while (queue->Next(&tag, &ok)) static_cast<CompletionTag*>(tag)->Complete(ok);
}

}  // namespace

PublisherService::PublisherService(const PublisherServiceOptions& options, Clock* clock,
                                   Dispatcher* dispatcher, Transport* transport,
                                   AccessControl* access, Metrics* metrics) {
  context_.options = options;
  context_.clock = clock;
  context_.dispatcher = dispatcher;
  context_.transport = transport;
  context_.access = access;
  context_.publish_metrics = metrics->GrpcMethod(kPublisherService, "Publish");
  context_.publish_batch_metrics = metrics->GrpcMethod(kPublisherService, "PublishBatch");
  context_.publish_stream_metrics = metrics->GrpcMethod(kPublisherService, "PublishStream");
}

PublisherService::~PublisherService() = default;

void PublisherService::Register(grpc::ServerBuilder* builder) {
  builder->RegisterService(&context_.service);
  for (int i = 0; i < context_.options.threads; ++i) {
    queues_.push_back(builder->AddCompletionQueue());
  }
}

void PublisherService::Start() {
  for (const auto& queue : queues_) {
    for (int i = 0; i < kWaitingPublish; ++i) AwaitPublish(&context_, queue.get());
    for (int i = 0; i < kWaitingPublishBatch; ++i) AwaitPublishBatch(&context_, queue.get());
    for (int i = 0; i < kWaitingPublishStream; ++i) AwaitPublishStream(&context_, queue.get());
    threads_.emplace_back(Serve, queue.get());
  }
}

void PublisherService::Shutdown() {
  // The server is down: waiting handlers come back unused, the others end what they have begun.
  context_.handlers.WaitUntilNone();
  for (const auto& queue : queues_) queue->Shutdown();
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace router
