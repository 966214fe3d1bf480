#ifndef ROUTER_SERVER_DISPATCHER_PUBLISH_OBSERVER_H_
#define ROUTER_SERVER_DISPATCHER_PUBLISH_OBSERVER_H_

#include <cstdint>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/base/operation.h"
#include "server/pending/pending_queue.h"
#include "transports/transport.h"

namespace router {

// What metrics and logs are told of publishes and of the connection. Called with no lock held, from
// any of the router's threads; must be quick.
class PublishObserver {
 public:
  virtual ~PublishObserver() = default;

  // The dispatcher is about to decide about these; those that `was_asked` is set for.
  virtual void OnPublish(absl::Span<const Operation> operations) = 0;

  // These have their outcome, and their callers are about to hear it.
  virtual void OnAnswered(absl::Span<Operation* const> operations) = 0;

  // Attempts to deliver queued operations have ended.
  virtual void OnRedelivered(absl::Span<Operation* const> operations) = 0;

  virtual void OnRemoved(int64_t count, RemovalCause cause) = 0;

  virtual void OnConnectionEvent(const ConnectionEvent& event) = 0;
};

}  // namespace router

#endif  // ROUTER_SERVER_DISPATCHER_PUBLISH_OBSERVER_H_
