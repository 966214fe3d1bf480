#ifndef ROUTER_SERVER_SERVICES_ADMIN_CALLS_H_
#define ROUTER_SERVER_SERVICES_ADMIN_CALLS_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_interceptor.h>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/log/logger.h"
#include "server/metrics/metrics.h"

namespace router {

// How many calls of administration one client has. Each holds a thread until its answer is written,
// which its client can put off for as long as it likes, and there are threads for 64: without a
// limit one client could keep all operators out. A client is an identity, or, where there is no
// access control, an address. Thread-safe. Borrows the others.
class AdminCalls {
 public:
  AdminCalls(int64_t client_calls_max, Logger* log, Metrics* metrics)
      : client_calls_max_(client_calls_max), log_(log), metrics_(metrics) {}

  // For the calls that begin from now on.
  void SetMax(int64_t client_calls_max) { client_calls_max_ = client_calls_max; }

  // Counts a call as one of the client's, once, however often this is called. RESOURCE_EXHAUSTED,
  // with the time after which to try again, where the client has as many as it may; that is counted
  // and logged.
  absl::Status Begin(const grpc::ServerContextBase* call, absl::string_view client)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The call is over: nothing of it holds a thread. May be called for one that was not counted.
  void End(const grpc::ServerContextBase* call) ABSL_LOCKS_EXCLUDED(mutex_);

  // How many calls are counted now.
  int64_t count() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  std::atomic<int64_t> client_calls_max_;
  Logger* const log_;
  Metrics* const metrics_;

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<const grpc::ServerContextBase*, std::string> clients_by_call_
      ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, int64_t> calls_by_client_ ABSL_GUARDED_BY(mutex_);
};

// Ends the calls of the given services in `calls`, when gRPC has done with them.
class AdminCallsFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // `services` are full names, such as "router.v1.AdminService".
  AdminCallsFactory(const std::vector<std::string>& services, AdminCalls* calls);

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;

 private:
  std::vector<std::string> prefixes_;  // Of paths.
  AdminCalls* const calls_;
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_ADMIN_CALLS_H_
