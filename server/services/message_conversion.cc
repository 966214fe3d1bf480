#include "server/services/message_conversion.h"

#include <utility>

#include "absl/random/random.h"
#include "server/errors/status_conversion.h"
#include "server/tracing/trace_context.h"
#include "server/validation/validation.h"

namespace router {
namespace {

static_assert(MessageIdSource::kIdBytes == kGeneratedMessageIdBytes,
              "the size limit counts the ids that are made here");

// The last `digits` of a number.
void PutHex(uint64_t number, size_t digits, char* text) {
  for (size_t i = digits; i > 0; --i, number >>= 4) text[i - 1] = "0123456789abcdef"[number & 0xf];
}

absl::string_view View(const std::string& text) { return text; }

// A trace must never be the reason that a message is refused.
void AddTraceHeaders(const v1::Message& message, int64_t max_payload_bytes,
                     OperationStorage* storage) {
  for (const auto& header : message.headers()) {
    if (IsTraceHeader(header.first)) return;
  }
  const int64_t size_bytes = WireSizeBytes(message) + HeadersWireSizeBytes(storage->trace_headers);
  if (size_bytes > max_payload_bytes) return;
  storage->headers.insert(storage->headers.end(), storage->trace_headers.begin(),
                          storage->trace_headers.end());
}

void FillOperation(const v1::Message& message, int64_t max_payload_bytes, absl::Time now,
                   MessageIdSource* ids, OperationStorage* storage, Operation* operation) {
  operation->message.subject = message.subject();
  operation->message.payload = message.payload();
  operation->message.message_id = message.message_id();
  operation->message.caller_chose_id = !message.message_id().empty();
  operation->message.guarantee =
      message.guarantee() == v1::GUARANTEE_RECEIVED ? Guarantee::kReceived : Guarantee::kStored;
  operation->status = ValidateMessage(message, max_payload_bytes);
  if (!operation->status.ok()) {
    operation->outcome = Outcome::kRejected;
    return;
  }
  if (message.message_id().empty()) {
    const size_t offset = storage->message_ids.size();
    ids->Append(&storage->message_ids);
    operation->message.message_id = View(storage->message_ids).substr(offset);
  }
  const size_t first_header = storage->headers.size();
  for (const auto& [key, value] : message.headers()) storage->headers.push_back({key, value});
  if (!storage->trace_headers.empty()) AddTraceHeaders(message, max_payload_bytes, storage);
  operation->message.headers = absl::MakeSpan(storage->headers).subspan(first_header);
  operation->ordering_key =
      message.ordering_key().empty() ? View(message.subject()) : View(message.ordering_key());
  operation->key_hash = HashOrderingKey(operation->ordering_key);
  operation->size_bytes = OperationSize(operation->message, operation->ordering_key);
  if (operation->message.caller_chose_id) {
    operation->content_hash = HashContent(operation->message, operation->ordering_key);
  }
  operation->accept_time = now;
  if (message.has_ttl()) {
    operation->expire_time =
        now + absl::Seconds(message.ttl().seconds()) + absl::Nanoseconds(message.ttl().nanos());
  }
}

}  // namespace

MessageIdSource::MessageIdSource() {
  PutHex(absl::Uniform<uint64_t>(absl::BitGen()), instance_.size(), instance_.data());
}

void MessageIdSource::Append(std::string* ids) {
  const uint64_t number = next_.fetch_add(1, std::memory_order_relaxed);
  char digits[kIdBytes - kInstanceDigits];
  PutHex(number, sizeof(digits), digits);
  ids->append(instance_.data(), instance_.size());
  ids->append(digits, sizeof(digits));
}

size_t SpaceUsed(const v1::Message& message) {
  size_t bytes = sizeof(message) + message.subject().capacity() + message.payload().capacity() +
                 message.message_id().capacity() + message.ordering_key().capacity();
  for (const auto& header : message.headers()) {
    bytes += sizeof(header) + header.first.capacity() + header.second.capacity();
  }
  return bytes;
}

void FillOperations(absl::Span<const v1::Message* const> messages, int64_t max_payload_bytes,
                    absl::Time now, MessageIdSource* ids, OperationStorage* storage,
                    PublishBatch* batch) {
  // Reserved whole, so that views into them stay valid.
  size_t ids_to_make = 0;
  size_t headers = 0;
  for (const v1::Message* message : messages) {
    ids_to_make += message->message_id().empty() ? 1 : 0;
    headers += message->headers().size() + storage->trace_headers.size();
  }
  storage->message_ids.reserve(ids_to_make * MessageIdSource::kIdBytes);
  storage->headers.reserve(headers);
  for (size_t i = 0; i < messages.size(); ++i) {
    FillOperation(*messages[i], max_payload_bytes, now, ids, storage, &batch->operations()[i]);
  }
}

v1::PublishOutcome ToProto(Outcome outcome) {
  switch (outcome) {
    case Outcome::kDelivered:
      return v1::PUBLISH_OUTCOME_DELIVERED;
    case Outcome::kQueued:
      return v1::PUBLISH_OUTCOME_QUEUED;
    case Outcome::kDropped:
      return v1::PUBLISH_OUTCOME_DROPPED;
    case Outcome::kRejected:
      return v1::PUBLISH_OUTCOME_REJECTED;
    case Outcome::kUnanswered:
      break;
  }
  return v1::PUBLISH_OUTCOME_UNSPECIFIED;
}

void ToProto(const Operation& operation, v1::PublishResult* result) {
  result->set_outcome(ToProto(operation.outcome));
  const Message& message = operation.message;
  result->set_message_id(message.message_id.data(), message.message_id.size());
  switch (operation.outcome) {
    case Outcome::kDelivered:
      result->set_stream(operation.stream.data(), operation.stream.size());
      result->set_sequence(operation.sequence);
      result->set_duplicate(operation.duplicate);
      break;
    case Outcome::kQueued:
      result->set_operation_id(operation.operation_id);
      break;
    case Outcome::kRejected:
      ToRpcStatus(operation.status, result->mutable_error());
      break;
    case Outcome::kDropped:
    case Outcome::kUnanswered:
      break;
  }
}

}  // namespace router
