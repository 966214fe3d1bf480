#ifndef ROUTER_SERVER_SERVICES_PUBLISHER_SERVICE_H_
#define ROUTER_SERVER_SERVICES_PUBLISHER_SERVICE_H_

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include <grpcpp/completion_queue.h>
#include <grpcpp/server_builder.h>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "router/v1/publisher.grpc.pb.h"
#include "server/base/clock.h"
#include "server/dispatcher/dispatcher.h"
#include "server/metrics/metrics.h"
#include "server/services/call_access.h"
#include "server/services/message_conversion.h"
#include "transports/transport.h"

namespace router {

struct PublisherServiceOptions {
  int threads = 1;                         // Each with a completion queue of its own.
  int64_t stream_window_messages = 65536;  // Unanswered per stream, before it is no longer read.
  int64_t stream_window_bytes = int64_t{16} << 20;
};

// How many handlers there are, so that their queues are shut down after the last one only.
// Thread-safe.
class HandlerCount {
 public:
  void Add() {
    absl::MutexLock lock(&mutex_);
    ++count_;
  }
  void Remove() {
    absl::MutexLock lock(&mutex_);
    --count_;
  }
  void WaitUntilNone() {
    absl::MutexLock lock(&mutex_);
    const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return count_ == 0; };
    mutex_.Await(absl::Condition(&none));
  }

 private:
  absl::Mutex mutex_;
  int64_t count_ ABSL_GUARDED_BY(mutex_) = 0;
};

// What the handlers share. All of it outlives them.
struct PublisherContext {
  PublisherServiceOptions options;
  Clock* clock;
  Dispatcher* dispatcher;
  Transport* transport;
  AccessControl* access;  // Null: none.
  MessageIdSource ids;
  GrpcMethodMetrics* publish_metrics;
  GrpcMethodMetrics* publish_batch_metrics;
  GrpcMethodMetrics* publish_stream_metrics;
  v1::PublisherService::AsyncService service;
  HandlerCount handlers;
};

// PublisherService on completion queues: one thread each, which parses, validates and hands batches
// to the dispatcher, and never blocks. Answers are sent from the threads that settle the messages.
// No policy lives here.
class PublisherService {
 public:
  // Borrows everything, for its lifetime. `access` may be null.
  PublisherService(const PublisherServiceOptions& options, Clock* clock, Dispatcher* dispatcher,
                   Transport* transport, AccessControl* access, Metrics* metrics);
  // Shutdown must have been called, if Start was.
  ~PublisherService();

  void Register(grpc::ServerBuilder* builder);

  // After the server was built.
  void Start();

  // Ends the threads. Call after Server::Shutdown has returned and every message has been answered.
  void Shutdown();

 private:
  PublisherContext context_;
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues_;
  std::vector<std::thread> threads_;
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_PUBLISHER_SERVICE_H_
