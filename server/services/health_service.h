#ifndef ROUTER_SERVER_SERVICES_HEALTH_SERVICE_H_
#define ROUTER_SERVER_SERVICES_HEALTH_SERVICE_H_

#include <memory>
#include <string>

#include <grpcpp/server_builder.h>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/services/call_queue.h"

namespace router {

// grpc.health.v1.Health on a call queue. The one that gRPC brings along would have threads of its
// own read from all connections, which takes half of the publishers' speed.
class HealthService {
 public:
  HealthService();
  // The queue must have been shut down, if Start was called.
  ~HealthService();

  void Register(grpc::ServerBuilder* builder) { builder->RegisterService(&service_); }

  // Waits for calls on `queue`, which is not started yet. After the server was built.
  void Start(CallQueue* queue);

  // A service that was never named here is unknown. Those that watch it are told of changes.
  // Thread-safe.
  void SetServing(absl::string_view service, bool serving) ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends the calls of those that watch. Call before Server::Shutdown, which waits for them.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class Check;
  class Watch;
  using ServingStatus = grpc::health::v1::HealthCheckResponse::ServingStatus;

  // SERVICE_UNKNOWN where there is none of that name.
  ServingStatus StatusOf(const std::string& service) const ABSL_LOCKS_EXCLUDED(mutex_);
  bool stopping() const ABSL_LOCKS_EXCLUDED(mutex_);
  void TellWatches(bool ok);

  grpc::health::v1::Health::AsyncService service_;
  CallQueue* queue_ = nullptr;  // Set by Start.

  // Of the queue's thread.
  absl::flat_hash_set<Watch*> watches_;
  MemberTag<HealthService> tell_watches_{this, &HealthService::TellWatches};

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, bool> serving_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_told_ ABSL_GUARDED_BY(mutex_) = true;  // No TellWatches is on its way.
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_HEALTH_SERVICE_H_
