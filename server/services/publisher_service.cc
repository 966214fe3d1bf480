#include "server/services/publisher_service.h"

#include "server/services/publish_call.h"

namespace router {
namespace {

constexpr int kWaitingPublishStream = 4;  // Per queue. Streams stay.

// The dispatcher's lock is held no longer than for about so many messages.
constexpr size_t kMessagesTogetherMax = 4096;

}  // namespace

void PublishQueue::Publish(PublishBatch* batch) {
  if (arrived_.empty()) {
    const bool is_lone = unanswered_calls.load(std::memory_order_relaxed) <= 1;
    if (is_lone) return context->dispatcher->Publish(batch);
    calls.AtEndOfRound(&publish_arrived_);
  }
  arrived_.push_back(batch);
  arrived_messages_ += batch->operations().size();
  if (arrived_messages_ >= kMessagesTogetherMax) PublishArrived(true);
}

void PublishQueue::PublishArrived(bool /*ok*/) {
  std::swap(arrived_, publishing_);
  arrived_messages_ = 0;
  context->dispatcher->Publish(publishing_);
  publishing_.clear();
}

PublisherService::PublisherService(const PublisherServiceOptions& options, Clock* clock,
                                   Dispatcher* dispatcher, Transport* transport,
                                   ClientLimits* limits, AccessControl* access, Metrics* metrics,
                                   SpanBuffer* spans) {
  context_.options = options;
  context_.clock = clock;
  context_.dispatcher = dispatcher;
  context_.transport = transport;
  context_.limits = limits;
  context_.access = access;
  context_.spans = spans;
  context_.publish_metrics = metrics->GrpcMethod(kPublisherService, "Publish");
  context_.publish_batch_metrics = metrics->GrpcMethod(kPublisherService, "PublishBatch");
  context_.publish_stream_metrics = metrics->GrpcMethod(kPublisherService, "PublishStream");
}

PublisherService::~PublisherService() = default;

void PublisherService::Register(grpc::ServerBuilder* builder) {
  builder->RegisterService(&context_.service);
  for (int i = 0; i < context_.options.threads; ++i) {
    queues_.push_back(std::make_unique<PublishQueue>(&context_, builder->AddCompletionQueue()));
  }
}

void PublisherService::Start() {
  for (const auto& queue : queues_) {
    AwaitUnaryCalls(queue.get());
    for (int i = 0; i < kWaitingPublishStream; ++i) AwaitPublishStream(queue.get());
    queue->calls.Start();
  }
}

void PublisherService::Shutdown() {
  for (const auto& queue : queues_) queue->calls.Shutdown();
}

}  // namespace router
