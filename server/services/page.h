#ifndef ROUTER_SERVER_SERVICES_PAGE_H_
#define ROUTER_SERVER_SERVICES_PAGE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace router {

// Page sizes and tokens, alike for every list of the API.

// 100 where 0, at most 1,000; PAGE_SIZE_INVALID where negative.
absl::StatusOr<int64_t> PageSize(int32_t requested);

// A token says where the next page begins and belongs to one filter.
std::string MakePageToken(absl::string_view position, absl::string_view filter);
// The position in `token`, "" where there is no token; PAGE_TOKEN_INVALID where it is not one of
// ours or was made for another filter.
absl::StatusOr<std::string> ParsePageToken(absl::string_view token, absl::string_view filter);

// The same for lists in order of sequence, whose position is the last sequence listed: 0 where
// there is no token.
absl::StatusOr<uint64_t> ParseSequenceToken(absl::string_view token, absl::string_view filter);

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_PAGE_H_
