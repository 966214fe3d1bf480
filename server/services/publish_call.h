#ifndef ROUTER_SERVER_SERVICES_PUBLISH_CALL_H_
#define ROUTER_SERVER_SERVICES_PUBLISH_CALL_H_

#include <grpcpp/server_context.h>

#include "absl/status/status.h"
#include "server/services/publisher_service.h"

namespace router {

// Begins to wait for calls of Publish and PublishBatch on `queue`, and goes on until the server
// shuts down. Called before the queue is started.
void AwaitUnaryCalls(PublishQueue* queue);

// Begins to wait for one call of PublishStream; each that comes in begins to wait for the next one.
void AwaitPublishStream(PublishQueue* queue);

// For the rules of access control.
inline constexpr char kPublisherService[] = "router.v1.PublisherService";

// Most messages in one batch, and in one frame of a stream.
inline constexpr int64_t kBatchMessagesMax = 10000;
// BATCH_INVALID unless a batch or frame has 1 to kBatchMessagesMax messages.
absl::Status CheckBatchSize(int64_t message_count);

// When the caller of `server_context` stops waiting, on the monotonic clock.
SteadyTime CallerDeadline(const grpc::ServerContext& server_context, SteadyTime now);

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_PUBLISH_CALL_H_
