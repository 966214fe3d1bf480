// Requests to publish while they are bytes: a message takes up to a hundred times the memory of its
// bytes once it is parsed, so they are looked at, and wait, as they came.
#ifndef ROUTER_SERVER_SERVICES_PUBLISH_REQUEST_H_
#define ROUTER_SERVER_SERVICES_PUBLISH_REQUEST_H_

#include <cstdint>

#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "router/v1/publisher.pb.h"

namespace router {

struct PublishRequestShape {
  int64_t messages = 0;
  int64_t fields = 0;  // Of the messages; a header is one.
};

// What a PublishRequest, PublishBatchRequest or PublishStreamRequest has, whose first field are
// messages in all of them. Nothing where the bytes are no such request; not all such are found.
// Stops counting, with what it has, beyond `messages_max` or `fields_max`. Does not change `bytes`.
absl::optional<PublishRequestShape> ShapeOf(grpc::ByteBuffer* bytes, int64_t messages_max,
                                            int64_t fields_max);

// Makes `request` of the bytes, in the memory of the last one, without what this version does not
// know. `bytes` is empty then. False where they are no such request.
bool Parse(grpc::ByteBuffer* bytes, v1::PublishRequest* request);
bool Parse(grpc::ByteBuffer* bytes, v1::PublishBatchRequest* request);
bool Parse(grpc::ByteBuffer* bytes, v1::PublishStreamRequest* request);

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_PUBLISH_REQUEST_H_
