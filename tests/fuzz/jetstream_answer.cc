// The input as each of the answers that JetStream gives. The quick way to read an acknowledgement
// says the same as the thorough one.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "tests/fuzz/require.h"
#include "transports/nats/jetstream_api.h"
#include "transports/nats/reply.h"

namespace router {
namespace {

void FuzzReply(absl::string_view input) {
  const PublishReply reply = ParsePublishReply(input);
  if (reply.kind == PublishReply::Kind::kStored) {
    Require(!reply.stream.empty() && reply.sequence > 0, "what is stored has a place");
  }
  StoredReply stored;
  if (!ParseStoredReply(input, &stored)) return;
  Require(!stored.stream.empty() && stored.sequence > 0, "what is stored has a place");
  // The quick way does not look at the bytes of strings.
  if (reply.kind == PublishReply::Kind::kMalformed) return;
  Require(reply.kind == PublishReply::Kind::kStored, "both ways say that it is stored");
  Require(reply.stream == stored.stream && reply.sequence == stored.sequence &&
              reply.duplicate == stored.duplicate,
          "both ways say the same");
}

void FuzzApi(absl::string_view input) {
  ParseStreamName(input);
  IsUnavailable(input);
  ParseStreamInfo(input);
  const absl::optional<ReaderFacts> reader = ParseReaderCreated(input);
  if (reader.has_value()) Require(!reader->name.empty(), "a reader has a name");
  ParseReaderMessage(input);
}

}  // namespace
}  // namespace router

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  router::FuzzReply(input);
  router::FuzzApi(input);
  return 0;
}
