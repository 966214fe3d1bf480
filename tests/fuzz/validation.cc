// The whole input as a subject and as a message id, and, split at its first colon, as a header.
// What is accepted may hold nothing that a broker takes for the end of a line or of a word.
#include "server/validation/validation.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "router/v1/message.pb.h"
#include "tests/fuzz/require.h"

namespace router {
namespace {

constexpr int64_t kMaxPayloadBytes = 300;

bool HasAnyOf(absl::string_view text, absl::string_view bytes) {
  return text.find_first_of(bytes) != absl::string_view::npos;
}

bool IsPrintable(char byte) { return byte > ' ' && byte < '\x7f'; }

void Fuzz(absl::string_view input) {
  const size_t colon = std::min(input.find(':'), input.size());
  const absl::string_view key = input.substr(0, colon);
  const absl::string_view value = input.substr(std::min(colon + 1, input.size()));
  const absl::string_view ends_line("\r\n\0", 3);

  const bool subject_ok = ValidateSubject(input).ok();
  if (subject_ok) {
    Require(!input.empty() && input.size() <= kSubjectBytesMax, "the length of a subject");
    Require(!HasAnyOf(input, ends_line) && !HasAnyOf(input, " \t*>"), "the bytes of a subject");
  }
  const bool header_ok = ValidateHeader(key, value).ok();
  if (header_ok) {
    Require(!key.empty() && std::all_of(key.begin(), key.end(), IsPrintable), "a header's key");
    Require(!HasAnyOf(value, ends_line), "a header's value");
  }
  const bool id_ok = ValidateMessageId(input).ok();
  if (id_ok) {
    Require(input.size() <= kMessageIdBytesMax, "the length of an id");
    Require(std::all_of(input.begin(), input.end(), IsPrintable), "the bytes of an id");
  }

  v1::Message message;
  message.set_subject(std::string(input));
  message.set_message_id(std::string(input));
  message.set_payload(std::string(value));
  (*message.mutable_headers())[std::string(key)] = std::string(value);
  if (!ValidateMessage(message, kMaxPayloadBytes).ok()) return;
  Require(subject_ok && header_ok && id_ok, "a valid message has valid parts");
  Require(WireSizeBytes(message) <= kMaxPayloadBytes, "the size of a message");
}

}  // namespace
}  // namespace router

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  router::Fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
