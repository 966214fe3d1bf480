#ifndef ROUTER_SERVER_SERVICES_PUBLISH_CALL_H_
#define ROUTER_SERVER_SERVICES_PUBLISH_CALL_H_

#include <cstdint>
#include <memory>

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "server/services/call_access.h"
#include "server/services/message_conversion.h"
#include "server/services/publish_trace.h"
#include "server/services/publisher_service.h"

namespace router {

// Begins to wait for calls of Publish and PublishBatch on `queue`, and goes on until the server
// shuts down. Called before the queue is started.
void AwaitUnaryCalls(PublishQueue* queue);

// Begins to wait for one call of PublishStream; each that comes in begins to wait for the next one.
void AwaitPublishStream(PublishQueue* queue);

// For the rules of access control.
inline constexpr char kPublisherService[] = "router.v1.PublisherService";

// Lets the caller in to the method: `*caller` says who it is, where there is access control. Errors
// are those of AccessControl::Admit.
absl::Status AdmitCaller(const PublisherContext& context, const grpc::ServerContext& server_context,
                         const MethodRule* rule, absl::optional<Caller>* caller);

// The client that limits go by: who calls, or, where there is no access control, from where.
std::shared_ptr<ClientLimits::Client> FindClient(const PublisherContext& context,
                                                 const grpc::ServerContext& server_context,
                                                 const absl::optional<Caller>& caller);

// Where messages come from.
struct PublishOrigin {
  const MethodRule* rule;
  const absl::optional<Caller>& caller;  // Absent where there is no access control.
  const PublishTrace* trace;             // Null where they have none.
};

// The one way in for messages: validates them and makes them the operations of `batch`, which has
// one for each, with the headers of their trace. Those that are not valid, or whose subject the
// caller may not publish to, are rejected. `storage` is as FillOperations wants it.
void MakeOperations(PublisherContext* context, absl::Span<const v1::Message* const> messages,
                    const PublishOrigin& origin, OperationStorage* storage, PublishBatch* batch);

// How many messages a request or frame has, while it is bytes. BATCH_INVALID where those are more
// than it may have, or their fields; `invalid()` where the bytes are found to be no request.
absl::StatusOr<int64_t> CountMessages(const PublisherContext& context, grpc::ByteBuffer* bytes,
                                      absl::Status (*invalid)());

// BATCH_INVALID unless a batch or frame has as many messages as it may, at least one.
absl::Status CheckBatchSize(const PublisherContext& context, int64_t message_count);

// When the caller of `server_context` stops waiting, on the monotonic clock.
SteadyTime CallerDeadline(const grpc::ServerContext& server_context, SteadyTime now);

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_PUBLISH_CALL_H_
