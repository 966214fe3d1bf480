#include "server/pending/record_codec.h"

#include <xxhash.h>

#include <cstring>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace router {
namespace {

constexpr int64_t kGuaranteeStored = 1;
constexpr int64_t kGuaranteeReceived = 2;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr size_t kLengthBytes = 4;

int64_t GuaranteeColumn(Guarantee guarantee) {
  switch (guarantee) {
    case Guarantee::kStored:
      return kGuaranteeStored;
    case Guarantee::kReceived:
      return kGuaranteeReceived;
  }
  return kGuaranteeStored;
}

Guarantee GuaranteeOf(const RecordFields& fields) {
  return fields.guarantee == kGuaranteeReceived ? Guarantee::kReceived : Guarantee::kStored;
}

void PutLittleEndian(uint64_t value, size_t size, char* out) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  std::memcpy(out, &value, size);
#else
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>(value >> (8 * i));
#endif
}

void AppendText(absl::string_view text, std::string* encoded) {
  char length[kLengthBytes];
  PutLittleEndian(text.size(), sizeof(length), length);
  encoded->append(length, sizeof(length));
  encoded->append(text.data(), text.size());
}

bool TakeText(absl::string_view* encoded, std::string* text) {
  if (encoded->size() < kLengthBytes) return false;
  uint32_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    length |= static_cast<uint32_t>(static_cast<unsigned char>((*encoded)[i])) << (8 * i);
  }
  encoded->remove_prefix(kLengthBytes);
  if (encoded->size() < length) return false;
  text->assign(encoded->data(), length);
  encoded->remove_prefix(length);
  return true;
}

// The message of a row, as far as it can be read. A view of the fields.
class DecodedMessage {
 public:
  explicit DecodedMessage(const RecordFields& fields) {
    DecodeHeaders(fields.headers, &decoded_);
    for (const auto& [key, value] : decoded_) headers_.push_back({key, value});
    message_.subject = fields.subject;
    message_.payload = fields.payload;
    message_.headers = headers_;
    message_.message_id = fields.message_id;
    message_.guarantee = GuaranteeOf(fields);
  }
  DecodedMessage(const DecodedMessage&) = delete;
  DecodedMessage& operator=(const DecodedMessage&) = delete;

  const Message& message() const { return message_; }

 private:
  std::vector<std::pair<std::string, std::string>> decoded_;
  std::vector<Header> headers_;
  Message message_;
};

}  // namespace

uint64_t RecordChecksum(const RecordFields& fields) {
  const uint64_t numbers[] = {
      fields.sequence,
      static_cast<uint64_t>(fields.accepted_at_ms),
      static_cast<uint64_t>(fields.expires_at_ms.value_or(kNever)),
      fields.key_hash,
      static_cast<uint64_t>(fields.size_bytes),
      static_cast<uint64_t>(fields.guarantee),
      static_cast<uint64_t>(fields.caller_chose_id),
      fields.message_id.size(),
      fields.subject.size(),
      fields.ordering_key.size(),
      fields.headers.size(),
      fields.payload.size(),
  };
  char bytes[sizeof(numbers)];
  for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); ++i) {
    PutLittleEndian(numbers[i], sizeof(uint64_t), bytes + i * sizeof(uint64_t));
  }
  uint64_t hash = XXH3_64bits(bytes, sizeof(bytes));
  // Rows of format 1 have neither.
  if (fields.first_sent_at_ms.has_value() || fields.content_hash.has_value()) {
    char added[2 * sizeof(uint64_t)];
    PutLittleEndian(static_cast<uint64_t>(fields.first_sent_at_ms.value_or(kNever)),
                    sizeof(uint64_t), added);
    PutLittleEndian(fields.content_hash.value_or(0), sizeof(uint64_t), added + sizeof(uint64_t));
    hash = XXH3_64bits_withSeed(added, sizeof(added), hash);
  }
  for (absl::string_view text :
       {fields.message_id, fields.subject, fields.ordering_key, fields.headers, fields.payload}) {
    hash = XXH3_64bits_withSeed(text.data(), text.size(), hash);
  }
  return hash;
}

void EncodeHeaders(absl::Span<const Header> headers, std::string* encoded) {
  encoded->clear();
  for (const Header& header : headers) {
    AppendText(header.key, encoded);
    AppendText(header.value, encoded);
  }
}

bool DecodeHeaders(absl::string_view encoded,
                   std::vector<std::pair<std::string, std::string>>* headers) {
  headers->clear();
  while (!encoded.empty()) {
    std::pair<std::string, std::string> header;
    if (!TakeText(&encoded, &header.first) || !TakeText(&encoded, &header.second)) return false;
    headers->push_back(std::move(header));
  }
  return true;
}

RecordFields FieldsOf(const Operation& operation, uint64_t sequence,
                      absl::string_view encoded_headers) {
  RecordFields fields;
  fields.sequence = sequence;
  fields.accepted_at_ms = absl::ToUnixMillis(operation.accept_time);
  if (operation.expire_time != absl::InfiniteFuture()) {
    fields.expires_at_ms = absl::ToUnixMillis(operation.expire_time);
  }
  fields.key_hash = operation.key_hash;
  fields.size_bytes = operation.size_bytes;
  fields.guarantee = GuaranteeColumn(operation.message.guarantee);
  fields.caller_chose_id = operation.message.caller_chose_id ? 1 : 0;
  fields.message_id = operation.message.message_id;
  fields.subject = operation.message.subject;
  fields.ordering_key = operation.ordering_key;
  fields.headers = encoded_headers;
  fields.payload = operation.message.payload;
  if (operation.first_sent_time != absl::InfiniteFuture()) {
    fields.first_sent_at_ms = absl::ToUnixMillis(operation.first_sent_time);
  }
  if (operation.message.caller_chose_id) fields.content_hash = operation.content_hash;
  return fields;
}

uint64_t ContentHashOf(const RecordFields& fields) {
  if (fields.content_hash.has_value()) return *fields.content_hash;
  const DecodedMessage decoded(fields);
  return HashContent(decoded.message(), fields.ordering_key);
}

RemovedRecord KeyOf(const RecordFields& fields) {
  RemovedRecord key = {fields.sequence, fields.key_hash, fields.size_bytes};
  if (fields.expires_at_ms.has_value()) {
    key.expire_time = absl::FromUnixMillis(*fields.expires_at_ms);
  }
  return key;
}

uint64_t ProvedKeyHash(uint64_t key_hash, absl::string_view ordering_key) {
  return key_hash == HashOrderingKey(ordering_key) ? key_hash : kUnknownKeyHash;
}

RemovedRecord DamagedKeyOf(const RecordFields& fields) {
  const DecodedMessage decoded(fields);
  RemovedRecord key = KeyOf(fields);
  key.key_hash = ProvedKeyHash(fields.key_hash, fields.ordering_key);
  key.size_bytes = OperationSize(decoded.message(), fields.ordering_key);
  return key;
}

absl::StatusOr<PendingRecord> ToPendingRecord(const RecordFields& fields, bool with_payload) {
  PendingRecord record;
  if (!DecodeHeaders(fields.headers, &record.headers)) {
    return absl::DataLossError(
        absl::StrCat("record ", fields.sequence, " has headers that cannot be read"));
  }
  if (fields.guarantee != kGuaranteeStored && fields.guarantee != kGuaranteeReceived) {
    return absl::DataLossError(
        absl::StrCat("record ", fields.sequence, " has an unknown guarantee ", fields.guarantee));
  }
  record.sequence = fields.sequence;
  record.subject = std::string(fields.subject);
  if (with_payload) record.payload = std::string(fields.payload);
  record.payload_bytes = static_cast<int64_t>(fields.payload.size());
  record.message_id = std::string(fields.message_id);
  record.caller_chose_id = fields.caller_chose_id != 0;
  record.ordering_key = std::string(fields.ordering_key);
  record.guarantee = GuaranteeOf(fields);
  record.accept_time = absl::FromUnixMillis(fields.accepted_at_ms);
  if (fields.expires_at_ms.has_value()) {
    record.expire_time = absl::FromUnixMillis(*fields.expires_at_ms);
  }
  if (fields.first_sent_at_ms.has_value()) {
    record.first_sent_time = absl::FromUnixMillis(*fields.first_sent_at_ms);
  }
  record.size_bytes = fields.size_bytes;
  return record;
}

}  // namespace router
