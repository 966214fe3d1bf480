// The input as a token of a page and as a position. A token gives back the position it was made of,
// for its own filter and no other.
#include "server/services/page.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tests/fuzz/require.h"

namespace router {
namespace {

constexpr char kFilter[] = "subject=orders";

void FuzzToken(absl::string_view token) {
  const absl::StatusOr<std::string> position = ParsePageToken(token, kFilter);
  const absl::StatusOr<uint64_t> sequence = ParseSequenceToken(token, kFilter);
  if (!position.ok()) {
    Require(absl::IsInvalidArgument(position.status()), "the code of an error");
    Require(!sequence.ok(), "no position is no sequence");
    return;
  }
  Require(position->empty() == token.empty(), "no token is the beginning");
  if (token.empty()) return;
  const absl::StatusOr<std::string> again =
      ParsePageToken(MakePageToken(*position, kFilter), kFilter);
  Require(again.ok() && *again == *position, "the same position");
  Require(!ParsePageToken(token, "").ok(), "a token is for one filter");
  if (!sequence.ok()) return;
  Require(absl::StrCat(*sequence) == *position, "a sequence has one form");
}

void FuzzPosition(absl::string_view position) {
  if (position.empty()) return;
  const absl::StatusOr<std::string> again =
      ParsePageToken(MakePageToken(position, kFilter), kFilter);
  Require(again.ok() && *again == position, "a position comes back");
  FuzzToken(MakePageToken(position, kFilter));
}

}  // namespace
}  // namespace router

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  router::FuzzToken(input);
  router::FuzzPosition(input);
  return 0;
}
