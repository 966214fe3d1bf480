#include "server/validation/validation.h"

#include <algorithm>
#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/utf8.h"
#include "server/errors/errors.h"

namespace router {
namespace {

// Classes of bytes, as bits of one table: a pass over a text is one look-up and one AND per byte.
constexpr uint8_t kNotInSubject = 1;    // White space, control characters, wildcards.
constexpr uint8_t kNotInHeaderKey = 2;  // Whatever is no tchar of RFC 7230.
constexpr uint8_t kNotInValue = 4;      // CR, LF, NUL.
constexpr uint8_t kNotInId = 8;         // Whatever is not printable ASCII, and space.
constexpr uint8_t kNotAscii = 16;
constexpr uint8_t kDot = 32;

constexpr bool IsTokenChar(int c) {
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  for (const char t :
       {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) {
    if (c == t) return true;
  }
  return false;
}

constexpr std::array<uint8_t, 256> MakeClasses() {
  std::array<uint8_t, 256> classes{};
  for (int c = 0; c < 256; ++c) {
    uint8_t bits = 0;
    if (c <= ' ' || c == 0x7F || c == '*' || c == '>') bits |= kNotInSubject;
    if (!IsTokenChar(c)) bits |= kNotInHeaderKey;
    if (c == '\r' || c == '\n' || c == '\0') bits |= kNotInValue;
    if (c <= ' ' || c >= 0x7F) bits |= kNotInId;
    if (c >= 0x80) bits |= kNotAscii;
    if (c == '.') bits |= kDot;
    classes[c] = bits;
  }
  return classes;
}

constexpr std::array<uint8_t, 256> kClasses = MakeClasses();

uint8_t ClassOf(char c) { return kClasses[static_cast<unsigned char>(c)]; }

// All classes that occur in `text`.
uint8_t ClassesIn(absl::string_view text) {
  uint8_t found = 0;
  for (const char c : text) found |= ClassOf(c);
  return found;
}

constexpr absl::string_view kReservedPrefixes[] = {"$", "_INBOX.", "_R_."};
constexpr absl::string_view kRouterHeaderPrefix = "nats-";

// C1 controls (U+0080 to U+009F), which have two bytes in UTF-8, and the spaces beyond ASCII.
bool HasInvisibleCharacter(absl::string_view utf8) {
  for (size_t i = 0; i + 1 < utf8.size(); ++i) {
    const auto first = static_cast<unsigned char>(utf8[i]);
    const auto second = static_cast<unsigned char>(utf8[i + 1]);
    if (first == 0xC2 && second <= 0xA0) return true;  // U+00A0 is the no-break space.
    if (first != 0xE1 && first != 0xE2 && first != 0xE3) continue;
    if (i + 2 >= utf8.size()) return false;
    const auto third = static_cast<unsigned char>(utf8[i + 2]);
    if (first == 0xE1 && second == 0x9A && third == 0x80) return true;  // U+1680
    if (first == 0xE2 && second == 0x80 &&                              // U+2000 to 200A, 2028,
        (third <= 0x8A || third == 0xA8 || third == 0xA9 || third == 0xAF)) {
      return true;  // 2029, 202F
    }
    if (first == 0xE2 && second == 0x81 && third == 0x9F) return true;  // U+205F
    if (first == 0xE3 && second == 0x80 && third == 0x80) return true;  // U+3000
  }
  return false;
}

absl::Status WhySubjectInvalid(absl::string_view subject) {
  if (subject.empty()) return error::SubjectInvalid(subject, "it is empty");
  if (subject.size() > kSubjectBytesMax) {
    return error::SubjectInvalid(
        subject, absl::StrCat("it has ", subject.size(), " bytes, and at most ", kSubjectBytesMax,
                              " are allowed"));
  }
  if (!IsUtf8(subject)) return error::SubjectInvalid(subject, "it is not UTF-8");
  for (const char c : subject) {
    if (c == '*' || c == '>') {
      return error::SubjectInvalid(subject, "a message is published to one subject: no wildcards");
    }
  }
  const bool has_empty_token =
      subject.front() == '.' || subject.back() == '.' || absl::StrContains(subject, "..");
  if (has_empty_token) {
    return error::SubjectInvalid(subject, "it has an empty token: dots stand between tokens");
  }
  return error::SubjectInvalid(subject, "it has white space or control characters in it");
}

absl::Status WhyHeaderInvalid(absl::string_view key, absl::string_view value) {
  if (key.empty()) return error::HeaderInvalid(key, "its key is empty");
  if (ClassesIn(key) & kNotInHeaderKey) {
    return error::HeaderInvalid(key, "its key is not an RFC 7230 token");
  }
  if (absl::StartsWithIgnoreCase(key, kRouterHeaderPrefix)) {
    return error::HeaderInvalid(
        key, "`Nats-` headers are the router's own: use message_id and the other fields");
  }
  if (!IsUtf8(value)) return error::HeaderInvalid(key, "its value is not UTF-8");
  return error::HeaderInvalid(key, "its value has CR, LF or NUL in it");
}

// "NATS/1.0\r\n" before the headers, "\r\n" after them, ": " and "\r\n" in each.
constexpr size_t kHeaderBlockBytes = 12;
constexpr size_t kHeaderFramingBytes = 4;
constexpr absl::string_view kMessageIdHeader = "Nats-Msg-Id";

size_t HeaderBytes(absl::string_view key, size_t value_bytes) {
  return key.size() + value_bytes + kHeaderFramingBytes;
}

// Of headers that take so many bytes; there is no block without any.
size_t BlockBytes(size_t header_bytes) {
  return header_bytes == 0 ? 0 : header_bytes + kHeaderBlockBytes;
}

absl::Status CheckSize(int64_t size_bytes, int64_t max_payload_bytes) {
  if (size_bytes <= max_payload_bytes) return absl::OkStatus();
  return error::PayloadTooLarge(size_bytes, max_payload_bytes);
}

}  // namespace

absl::Status ValidateSubject(absl::string_view subject) {
  if (subject.empty() || subject.size() > kSubjectBytesMax) return WhySubjectInvalid(subject);
  uint8_t found = 0;
  uint8_t previous = kDot;
  bool has_empty_token = false;
  for (const char c : subject) {
    const uint8_t bits = ClassOf(c);
    has_empty_token |= (bits & previous & kDot) != 0;
    found |= bits;
    previous = bits;
  }
  has_empty_token |= (previous & kDot) != 0;
  if (has_empty_token || (found & kNotInSubject) != 0) return WhySubjectInvalid(subject);
  if ((found & kNotAscii) != 0 && (!IsUtf8(subject) || HasInvisibleCharacter(subject))) {
    return WhySubjectInvalid(subject);
  }
  for (const absl::string_view prefix : kReservedPrefixes) {
    if (absl::StartsWith(subject, prefix)) return error::SubjectReserved(subject);
  }
  return absl::OkStatus();
}

absl::Status ValidateHeader(absl::string_view key, absl::string_view value) {
  if (key.empty() || (ClassesIn(key) & kNotInHeaderKey) != 0 ||
      absl::StartsWithIgnoreCase(key, kRouterHeaderPrefix)) {
    return WhyHeaderInvalid(key, value);
  }
  const uint8_t found = ClassesIn(value);
  if ((found & kNotInValue) != 0 || ((found & kNotAscii) != 0 && !IsUtf8(value))) {
    return WhyHeaderInvalid(key, value);
  }
  return absl::OkStatus();
}

absl::Status ValidateMessageId(absl::string_view message_id) {
  if (message_id.size() > kMessageIdBytesMax) {
    return error::MessageIdInvalid(
        message_id, absl::StrCat("it has ", message_id.size(), " bytes, and at most ",
                                 kMessageIdBytesMax, " are allowed"));
  }
  if ((ClassesIn(message_id) & kNotInId) != 0) {
    return error::MessageIdInvalid(message_id, "only printable ASCII without space is allowed");
  }
  return absl::OkStatus();
}

absl::Status ValidateOrderingKey(absl::string_view ordering_key) {
  if (ordering_key.size() > kOrderingKeyBytesMax) {
    return error::OrderingKeyInvalid(
        ordering_key, absl::StrCat("it has ", ordering_key.size(), " bytes, and at most ",
                                   kOrderingKeyBytesMax, " are allowed"));
  }
  if (!IsUtf8(ordering_key)) return error::OrderingKeyInvalid(ordering_key, "it is not UTF-8");
  return absl::OkStatus();
}

absl::Status ValidateTtl(int64_t seconds, int32_t nanos) {
  // The range of google.protobuf.Duration: 10,000 years.
  constexpr int64_t kSecondsMax = 315576000000;
  constexpr int32_t kNanosMax = 999999999;
  if (seconds < 0 || nanos < 0 || (seconds == 0 && nanos == 0)) {
    return error::TtlInvalid("it has to be above zero; leave it out for `for ever`");
  }
  if (seconds > kSecondsMax || nanos > kNanosMax) {
    return error::TtlInvalid(
        "it is no google.protobuf.Duration: at most 315576000000 seconds and "
        "999999999 nanos");
  }
  return absl::OkStatus();
}

int64_t WireSizeBytes(const v1::Message& message) {
  size_t bytes = 0;
  for (const auto& header : message.headers()) {
    bytes += HeaderBytes(header.first, header.second.size());
  }
  const bool sends_id =
      message.guarantee() != v1::GUARANTEE_RECEIVED || !message.message_id().empty();
  if (sends_id) {
    bytes +=
        HeaderBytes(kMessageIdHeader, message.message_id().empty() ? kGeneratedMessageIdBytes
                                                                   : message.message_id().size());
  }
  return static_cast<int64_t>(BlockBytes(bytes) + message.payload().size());
}

int64_t HeadersWireSizeBytes(absl::Span<const Header> headers) {
  size_t bytes = kHeaderBlockBytes;
  for (const Header& header : headers) bytes += HeaderBytes(header.key, header.value.size());
  return static_cast<int64_t>(bytes);
}

int64_t MaxPayloadBytes(int64_t broker_bytes_max, int64_t message_bytes_max) {
  return message_bytes_max > 0 ? std::min(broker_bytes_max, message_bytes_max) : broker_bytes_max;
}

absl::Status ValidateMessage(const v1::Message& message, int64_t max_payload_bytes) {
  if (absl::Status status = ValidateSubject(message.subject()); !status.ok()) return status;
  for (const auto& header : message.headers()) {
    absl::Status status = ValidateHeader(header.first, header.second);
    if (!status.ok()) return status;
  }
  if (absl::Status status = ValidateMessageId(message.message_id()); !status.ok()) return status;
  if (absl::Status status = ValidateOrderingKey(message.ordering_key()); !status.ok()) {
    return status;
  }
  if (!v1::Guarantee_IsValid(message.guarantee())) {
    return error::GuaranteeInvalid(message.guarantee());
  }
  if (message.has_ttl()) {
    absl::Status status = ValidateTtl(message.ttl().seconds(), message.ttl().nanos());
    if (!status.ok()) return status;
  }
  return CheckSize(WireSizeBytes(message), max_payload_bytes);
}

absl::Status ValidateKeptMessage(const Message& message, absl::string_view ordering_key,
                                 int64_t payload_bytes, int64_t max_payload_bytes) {
  if (absl::Status status = ValidateSubject(message.subject); !status.ok()) return status;
  size_t header_bytes = 0;
  for (const Header& header : message.headers) {
    if (absl::Status status = ValidateHeader(header.key, header.value); !status.ok()) return status;
    header_bytes += HeaderBytes(header.key, header.value.size());
  }
  if (absl::Status status = ValidateMessageId(message.message_id); !status.ok()) return status;
  if (message.message_id.empty()) {
    return error::MessageIdInvalid(message.message_id, "it is empty");
  }
  if (absl::Status status = ValidateOrderingKey(ordering_key); !status.ok()) return status;
  if (message.guarantee == Guarantee::kStored || message.caller_chose_id) {
    header_bytes += HeaderBytes(kMessageIdHeader, message.message_id.size());
  }
  return CheckSize(static_cast<int64_t>(BlockBytes(header_bytes)) + payload_bytes,
                   max_payload_bytes);
}

}  // namespace router
