// What a row of the pending queue holds, its checksum, and the way to and from operations. The
// format is stored: it may change only together with the format version (FORMAT.md).
#ifndef ROUTER_SERVER_PENDING_RECORD_CODEC_H_
#define ROUTER_SERVER_PENDING_RECORD_CODEC_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "server/base/operation.h"
#include "server/pending/pending_queue.h"
#include "transports/message.h"

namespace router {

// The columns of a row as they are stored. A view of bytes that somebody else owns.
struct RecordFields {
  uint64_t sequence = 0;
  int64_t accepted_at_ms = 0;
  absl::optional<int64_t> expires_at_ms;
  uint64_t key_hash = 0;
  int64_t size_bytes = 0;
  int64_t guarantee = 0;
  int64_t caller_chose_id = 0;
  absl::string_view message_id;
  absl::string_view subject;
  absl::string_view ordering_key;
  absl::string_view headers;  // As EncodeHeaders writes them.
  absl::string_view payload;
  absl::optional<int64_t> first_sent_at_ms;  // Absent: it had not been sent when it was written.
  absl::optional<uint64_t> content_hash;     // Where the caller chose the id.
};

// Over every field, the lengths included.
uint64_t RecordChecksum(const RecordFields& fields);

// Per header: length of the key, key, length of the value, value; lengths as 32 bits, little
// endian.
void EncodeHeaders(absl::Span<const Header> headers, std::string* encoded);

// False where `encoded` is not what EncodeHeaders writes.
bool DecodeHeaders(absl::string_view encoded,
                   std::vector<std::pair<std::string, std::string>>* headers);

// The row of an operation. `encoded_headers` must outlive it.
RecordFields FieldsOf(const Operation& operation, uint64_t sequence,
                      absl::string_view encoded_headers);

// What HashContent says of the operation: as it was stored, or made anew from the fields.
uint64_t ContentHashOf(const RecordFields& fields);

// What is left of the row once it is removed.
RemovedRecord KeyOf(const RecordFields& fields);

// `key_hash` where the key bears it out, otherwise kUnknownKeyHash.
uint64_t ProvedKeyHash(uint64_t key_hash, absl::string_view ordering_key);

// Like KeyOf, of a row whose checksum does not match: `key_hash` is proved, and
// `size_bytes` what its bytes add up to.
RemovedRecord DamagedKeyOf(const RecordFields& fields);

// DATA_LOSS where the fields hold something that is never written.
absl::StatusOr<PendingRecord> ToPendingRecord(const RecordFields& fields, bool with_payload);

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_RECORD_CODEC_H_
