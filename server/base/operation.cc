#include "server/base/operation.h"

#include <xxhash.h>

namespace router {
namespace {

// What an operation costs beside its bytes: the row on disk and the structures in memory.
constexpr int64_t kFixedSizeBytes = 64;

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

}  // namespace router
