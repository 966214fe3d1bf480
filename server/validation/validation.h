// The one place where messages are checked, for every way into a transport. Nothing reaches a
// broker that has not passed here: a subject or header with a line break in it is a command to the
// broker.
//
// Everything here is a pure function of its arguments, thread-safe, allocates nothing when the
// answer is OK, and takes any bytes at all.
#ifndef ROUTER_SERVER_VALIDATION_VALIDATION_H_
#define ROUTER_SERVER_VALIDATION_VALIDATION_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "router/v1/message.pb.h"
#include "transports/message.h"

namespace router {

inline constexpr size_t kSubjectBytesMax = 255;
inline constexpr size_t kMessageIdBytesMax = 128;
inline constexpr size_t kOrderingKeyBytesMax = 255;

// What a message id made by the router takes; counted for messages that come without one.
inline constexpr size_t kGeneratedMessageIdBytes = 28;

// The `max_payload_bytes` of the checks: what the broker takes, and no more than the setting
// `publish_max_message_bytes`; 0 there: no limit of its own.
int64_t MaxPayloadBytes(int64_t broker_bytes_max, int64_t message_bytes_max);

// All of the checks below, and that payload and headers fit into `max_payload_bytes`, counted as
// the broker counts them. OK proves that the message can be handed to a transport.
absl::Status ValidateMessage(const v1::Message& message, int64_t max_payload_bytes);

// The same for a message that was taken in before, perhaps by another version, and is to be sent
// again: also MESSAGE_ID_INVALID where it has no id. Its payload need not be there, only its size.
absl::Status ValidateKeptMessage(const Message& message, absl::string_view ordering_key,
                                 int64_t payload_bytes, int64_t max_payload_bytes);

// SUBJECT_INVALID unless it is 1 to 255 bytes of UTF-8, in non-empty tokens between dots, without
// white space, control characters and wildcards; SUBJECT_RESERVED below `$`, `_INBOX.` and `_R_.`.
absl::Status ValidateSubject(absl::string_view subject);

// HEADER_INVALID unless the key is an RFC 7230 token that does not start with `Nats-` in any case,
// and the value is UTF-8 without CR, LF and NUL.
absl::Status ValidateHeader(absl::string_view key, absl::string_view value);

// MESSAGE_ID_INVALID unless it is at most 128 printable ASCII characters without space. May be
// empty.
absl::Status ValidateMessageId(absl::string_view message_id);

// ORDERING_KEY_INVALID unless it is at most 255 bytes of UTF-8. May be empty.
absl::Status ValidateOrderingKey(absl::string_view ordering_key);

// TTL_INVALID unless the duration is well-formed and positive.
absl::Status ValidateTtl(int64_t seconds, int32_t nanos);

// What the broker counts against its maximum payload: the payload and the whole block of headers
// with its framing, the router's own `Nats-Msg-Id` included.
int64_t WireSizeBytes(const v1::Message& message);

// What these headers add to that at most, with the framing of the block that they may begin.
int64_t HeadersWireSizeBytes(absl::Span<const Header> headers);

}  // namespace router

#endif  // ROUTER_SERVER_VALIDATION_VALIDATION_H_
