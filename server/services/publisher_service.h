#ifndef ROUTER_SERVER_SERVICES_PUBLISHER_SERVICE_H_
#define ROUTER_SERVER_SERVICES_PUBLISHER_SERVICE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <grpcpp/server_builder.h>

#include "router/v1/publisher.grpc.pb.h"
#include "server/base/clock.h"
#include "server/dispatcher/dispatcher.h"
#include "server/limits/client_limits.h"
#include "server/metrics/metrics.h"
#include "server/services/call_access.h"
#include "server/services/call_queue.h"
#include "server/services/message_conversion.h"
#include "server/services/publish_frame.h"
#include "server/services/turn_queue.h"
#include "server/tracing/span_buffer.h"
#include "transports/transport.h"

namespace router {

struct PublisherServiceOptions {
  int threads = 1;                         // Each with a completion queue of its own.
  int64_t stream_window_messages = 65536;  // Unanswered per stream, before it is no longer read.
  int64_t stream_window_bytes = int64_t{16} << 20;
  int64_t message_bytes_max = 0;  // Payload and headers; 0: as many as the broker takes.
  int64_t batch_messages_max = 10000;
};

// Asynchronous, and what callers send comes as bytes: see publish_request.h.
using PublisherAsyncService =
    v1::PublisherService::WithRawMethod_Publish<v1::PublisherService::WithRawMethod_PublishBatch<
        v1::PublisherService::WithRawMethod_PublishStream<v1::PublisherService::Service>>>;

// What the handlers share. All of it outlives them.
struct PublisherContext {
  PublisherServiceOptions options;
  Clock* clock;
  Dispatcher* dispatcher;
  Transport* transport;
  ClientLimits* limits;
  AccessControl* access;  // Null: none.
  SpanBuffer* spans;      // Null: no spans are recorded.
  MessageIdSource ids;
  GrpcMethodMetrics* publish_metrics;
  GrpcMethodMetrics* publish_batch_metrics;
  GrpcMethodMetrics* publish_stream_metrics;
  PublisherAsyncService service;
};

// A call queue and what the handlers on it share. Of the queue's thread, but for the counter.
class PublishQueue {
 public:
  PublishQueue(PublisherContext* context, std::unique_ptr<grpc::ServerCompletionQueue> queue)
      : context(context), calls(std::move(queue)), turns(context->limits, &calls) {}

  // Hands the batch to the dispatcher: where there are several calls, together with others that
  // come in at about the same time.
  void Publish(PublishBatch* batch);

  PublisherContext* const context;
  CallQueue calls;
  TurnQueue turns;

  // Unary calls that have come in and are not answered. Thread-safe.
  std::atomic<int64_t> unanswered_calls{0};

  // Handlers that wait for a call.
  int waiting_publish = 0;
  int waiting_publish_batch = 0;

  PublishFramePool frames;

 private:
  void PublishArrived(bool ok);

  MemberTag<PublishQueue> publish_arrived_{this, &PublishQueue::PublishArrived};
  std::vector<PublishBatch*> arrived_;
  std::vector<PublishBatch*> publishing_;  // Empty but in PublishArrived.
  size_t arrived_messages_ = 0;
};

// PublisherService on call queues, whose threads parse, validate, hand batches to the dispatcher
// and send the answers, and never block. No policy lives here.
class PublisherService {
 public:
  // Borrows everything, for its lifetime. `access` and `spans` may be null.
  PublisherService(const PublisherServiceOptions& options, Clock* clock, Dispatcher* dispatcher,
                   Transport* transport, ClientLimits* limits, AccessControl* access,
                   Metrics* metrics, SpanBuffer* spans);
  // Shutdown must have been called, if Start was.
  ~PublisherService();

  void Register(grpc::ServerBuilder* builder);

  // After the server was built.
  void Start();

  // A queue that handlers of other services may use too, between Register and Shutdown.
  CallQueue* queue() const { return &queues_.front()->calls; }

  // Ends the threads. Call after Server::Shutdown has returned and every message has been answered.
  void Shutdown();

 private:
  PublisherContext context_;
  std::vector<std::unique_ptr<PublishQueue>> queues_;
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_PUBLISHER_SERVICE_H_
