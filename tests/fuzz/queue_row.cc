// The input as the headers of a row, and as a whole row of the pending queue. What can be read is
// written again as it was.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/operation.h"
#include "server/pending/pending_queue.h"
#include "server/pending/record_codec.h"
#include "tests/fuzz/require.h"

namespace router {
namespace {

std::vector<Header> Views(const std::vector<std::pair<std::string, std::string>>& headers) {
  std::vector<Header> views;
  for (const auto& [key, value] : headers) views.push_back({key, value});
  return views;
}

void FuzzHeaders(absl::string_view input) {
  std::vector<std::pair<std::string, std::string>> headers;
  if (!DecodeHeaders(input, &headers)) return;
  std::string encoded;
  EncodeHeaders(Views(headers), &encoded);
  Require(encoded == input, "headers are written as they were read");
}

Operation ToOperation(const PendingRecord& record, const RecordFields& fields,
                      const std::vector<Header>& headers) {
  Operation operation;
  operation.message.subject = record.subject;
  operation.message.payload = record.payload;
  operation.message.headers = headers;
  operation.message.message_id = record.message_id;
  operation.message.caller_chose_id = record.caller_chose_id;
  operation.message.guarantee = record.guarantee;
  operation.ordering_key = record.ordering_key;
  operation.key_hash = fields.key_hash;
  operation.size_bytes = record.size_bytes;
  operation.content_hash = fields.content_hash.value_or(0);
  operation.accept_time = record.accept_time;
  operation.expire_time = record.expire_time;
  operation.first_sent_time = record.first_sent_time;
  return operation;
}

void FuzzRow(const RecordFields& fields) {
  ContentHashOf(fields);
  Require(DamagedKeyOf(fields).size_bytes > 0, "a damaged row counts for something");
  const absl::StatusOr<PendingRecord> record = ToPendingRecord(fields, /*with_payload=*/true);
  if (!record.ok()) return;
  Require(record->sequence == fields.sequence, "the sequence of a row");
  const std::vector<Header> headers = Views(record->headers);
  std::string encoded;
  EncodeHeaders(headers, &encoded);
  const Operation operation = ToOperation(*record, fields, headers);
  Require(RecordChecksum(FieldsOf(operation, fields.sequence, encoded)) == RecordChecksum(fields),
          "a row is written as it was read");
}

void Fuzz(const uint8_t* data, size_t size) {
  FuzzHeaders({reinterpret_cast<const char*>(data), size});

  FuzzedDataProvider input(data, size);
  RecordFields fields;
  fields.sequence = input.ConsumeIntegral<uint64_t>();
  fields.accepted_at_ms = input.ConsumeIntegral<int64_t>();
  if (input.ConsumeBool()) fields.expires_at_ms = input.ConsumeIntegral<int64_t>();
  fields.key_hash = input.ConsumeIntegral<uint64_t>();
  fields.size_bytes = input.ConsumeIntegral<int64_t>();
  fields.guarantee = input.ConsumeIntegralInRange<int64_t>(0, 3);
  fields.caller_chose_id = input.ConsumeBool() ? 1 : 0;
  if (fields.caller_chose_id != 0) fields.content_hash = input.ConsumeIntegral<uint64_t>();
  if (input.ConsumeBool()) fields.first_sent_at_ms = input.ConsumeIntegral<int64_t>();
  const std::string message_id = input.ConsumeRandomLengthString();
  const std::string subject = input.ConsumeRandomLengthString();
  const std::string ordering_key = input.ConsumeRandomLengthString();
  const std::string payload = input.ConsumeRandomLengthString();
  const std::string headers = input.ConsumeRemainingBytesAsString();
  fields.message_id = message_id;
  fields.subject = subject;
  fields.ordering_key = ordering_key;
  fields.payload = payload;
  fields.headers = headers;
  FuzzRow(fields);
}

}  // namespace
}  // namespace router

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  router::Fuzz(data, size);
  return 0;
}
