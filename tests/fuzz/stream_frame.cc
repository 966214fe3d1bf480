// The input as a frame of PublishStream, counted, made into operations and answered. As many
// messages are counted as are parsed, each is either rejected with a reason or whole, and the
// answer can be read.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "router/v1/publisher.pb.h"
#include "server/base/operation.h"
#include "server/services/message_conversion.h"
#include "server/services/publish_request.h"
#include "server/services/stream_answers.h"
#include "tests/fuzz/require.h"

namespace router {
namespace {

constexpr int64_t kMaxPayloadBytes = 1000;
constexpr int64_t kMany = 1 << 30;

class FrameBatch final : public PublishBatch {
 public:
  using PublishBatch::PublishBatch;

 protected:
  void Done() override {}
};

void Check(Operation* operation) {
  if (operation->outcome == Outcome::kRejected) {
    Require(!operation->status.ok(), "a rejected message has a reason");
    return;
  }
  Require(operation->outcome == Outcome::kUnanswered && operation->status.ok(), "not yet answered");
  Require(!operation->message.message_id.empty(), "every message has an id");
  Require(!operation->ordering_key.empty(), "every message has a key");
  Require(operation->key_hash == HashOrderingKey(operation->ordering_key), "the hash of the key");
  Require(operation->expire_time > operation->accept_time, "a message expires later");
  operation->outcome = Outcome::kQueued;
}

void Fuzz(const uint8_t* data, size_t size) {
  // Two slices, so that fields go across them.
  const grpc::Slice slices[] = {grpc::Slice(data, size / 2),
                                grpc::Slice(data + size / 2, size - size / 2)};
  grpc::ByteBuffer bytes(slices, 2);
  const absl::optional<PublishRequestShape> shape = ShapeOf(&bytes, kMany, kMany);
  if (!shape.has_value()) return;
  v1::PublishStreamRequest request;
  if (!Parse(&bytes, &request)) return;
  Require(shape->messages == request.messages_size(), "as many messages as were counted");
  std::vector<const v1::Message*> messages;
  for (const v1::Message& message : request.messages()) messages.push_back(&message);
  FrameBatch batch(messages.size());
  OperationStorage storage;
  MessageIdSource ids;
  FillOperations(messages, kMaxPayloadBytes, absl::FromUnixSeconds(1767225600), &ids, &storage,
                 &batch);
  for (Operation& operation : batch.operations()) Check(&operation);

  v1::PublishStreamResponse response;
  AddAnswers(1, batch.operations(), &response);
  v1::PublishStreamResponse read;
  Require(read.ParseFromString(response.SerializeAsString()), "the answer can be read");
}

}  // namespace
}  // namespace router

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  router::Fuzz(data, size);
  return 0;
}
