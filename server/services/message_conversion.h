// From the API's messages to operations, and from operations to the API's results.
#ifndef ROUTER_SERVER_SERVICES_MESSAGE_CONVERSION_H_
#define ROUTER_SERVER_SERVICES_MESSAGE_CONVERSION_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "router/v1/message.pb.h"
#include "server/base/operation.h"

namespace router {

// Makes message ids: unique in this process and, by a random part, among all routers. Thread-safe.
class MessageIdSource {
 public:
  static constexpr size_t kIdBytes = 28;

  MessageIdSource();
  // Appends one id of kIdBytes to `ids`.
  void Append(std::string* ids);

 private:
  static constexpr size_t kInstanceDigits = 16;

  std::array<char, kInstanceDigits> instance_;
  std::atomic<uint64_t> next_{1};
};

// What the operations of one batch point to, beside the request itself.
struct OperationStorage {
  // Set before FillOperations: added to each message that says nothing of a trace itself, as long
  // as it does not become too large by that. Must outlive the batch, too.
  absl::Span<const Header> trace_headers;

  std::string message_ids;
  std::vector<Header> headers;

  size_t SpaceUsed() const { return message_ids.capacity() + headers.capacity() * sizeof(Header); }

  // For another batch, in the same memory.
  void Clear() {
    trace_headers = {};
    message_ids.clear();
    headers.clear();
  }
};

// About how much memory a message takes. (protobuf's own SpaceUsedLong goes by way of reflection.)
size_t SpaceUsed(const v1::Message& message);

// Validates `messages` and makes them the operations of `batch`, which has one for each. Those that
// are not valid get the outcome kRejected. `messages` and `storage` must outlive the batch,
// unchanged.
void FillOperations(absl::Span<const v1::Message* const> messages, int64_t max_payload_bytes,
                    absl::Time now, MessageIdSource* ids, OperationStorage* storage,
                    PublishBatch* batch);

v1::PublishOutcome ToProto(Outcome outcome);

// The answer for one operation that has its outcome.
void ToProto(const Operation& operation, v1::PublishResult* result);

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_MESSAGE_CONVERSION_H_
