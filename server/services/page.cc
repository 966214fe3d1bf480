#include "server/services/page.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/errors/errors.h"

namespace router {
namespace {

constexpr int64_t kDefaultPageSize = 100;
constexpr int64_t kPageSizeMax = 1000;

std::string FilterMark(absl::string_view filter) {
  return absl::StrCat(absl::Hex(XXH3_64bits(filter.data(), filter.size())));
}

}  // namespace

absl::StatusOr<int64_t> PageSize(int32_t requested) {
  if (requested < 0) return error::PageSizeInvalid(requested);
  if (requested == 0) return kDefaultPageSize;
  return std::min<int64_t>(requested, kPageSizeMax);
}

std::string MakePageToken(absl::string_view position, absl::string_view filter) {
  return absl::WebSafeBase64Escape(absl::StrCat(FilterMark(filter), "/", position));
}

absl::StatusOr<std::string> ParsePageToken(absl::string_view token, absl::string_view filter) {
  if (token.empty()) return std::string();
  std::string decoded;
  if (!absl::WebSafeBase64Unescape(token, &decoded)) return error::PageTokenInvalid();
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(decoded, absl::MaxSplits('/', 1));
  if (parts.first != FilterMark(filter) || parts.second.empty()) return error::PageTokenInvalid();
  return parts.second;
}

absl::StatusOr<uint64_t> ParseSequenceToken(absl::string_view token, absl::string_view filter) {
  const absl::StatusOr<std::string> position = ParsePageToken(token, filter);
  if (!position.ok()) return position.status();
  if (position->empty()) return uint64_t{0};
  uint64_t sequence = 0;
  // In the one form that MakePageToken is given it: not that of an audit event's id, for example.
  if (!absl::SimpleAtoi(*position, &sequence) || absl::StrCat(sequence) != *position) {
    return error::PageTokenInvalid();
  }
  return sequence;
}

}  // namespace router
