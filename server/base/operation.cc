#include "server/base/operation.h"

#include <xxhash.h>

#include "server/tracing/trace_context.h"

namespace router {
namespace {

// What an operation costs beside its bytes: the row on disk and the structures in memory.
constexpr int64_t kFixedSizeBytes = 64;

uint64_t Hash(absl::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace

uint64_t HashOrderingKey(absl::string_view ordering_key) {
  return XXH3_64bits(ordering_key.data(), ordering_key.size());
}

int64_t OperationSize(const Message& message, absl::string_view ordering_key) {
  size_t bytes = message.subject.size() + message.payload.size() + message.message_id.size() +
                 ordering_key.size();
  for (const Header& header : message.headers) bytes += header.key.size() + header.value.size();
  return static_cast<int64_t>(bytes) + kFixedSizeBytes;
}

uint64_t HashMessageId(absl::string_view message_id) { return Hash(message_id, 0); }

// Headers come from a map, in no particular order: their hashes are added up.
uint64_t HashContent(const Message& message, absl::string_view ordering_key) {
  uint64_t headers = 0;
  for (const Header& header : message.headers) {
    if (!IsTraceHeader(header.key)) headers += Hash(header.value, Hash(header.key, 1));
  }
  uint64_t hash = Hash(message.payload, headers);
  hash = Hash(message.subject, hash);
  hash = Hash(ordering_key, hash);
  return hash + static_cast<uint64_t>(message.guarantee);
}

}  // namespace router
