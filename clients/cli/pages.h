// Lists that come in pages.
#ifndef ROUTER_CLIENTS_CLI_PAGES_H_
#define ROUTER_CLIENTS_CLI_PAGES_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "clients/cli/command.h"

namespace router::cli {

constexpr int64_t kPageSizeMax = 1000;

inline std::vector<Flag> ListFlags() {
  return {
      {"filter", "FILTER", "only these; see above", ""},
      {"limit", "N", "most to list; 0: all", "100"},
      {"page-token", "TOKEN", "go on where an earlier list ended", ""},
  };
}

// Calls `list` with `request` until --limit is reached or there is no more, and returns everything
// in one response. `items` points at the repeated field of a page.
template <typename Response, typename Request, typename List, typename Items>
absl::StatusOr<Response> ListPages(const Invocation& invocation, Request request, const List& list,
                                   const Items& items) {
  const auto limit =
      invocation.arguments.GetInteger("limit", 0, std::numeric_limits<int32_t>::max());
  if (!limit.ok()) return limit.status();
  request.set_page_token(invocation.arguments.Get("page-token"));
  Response all;
  while (true) {
    const int64_t left = *limit - items(all)->size();
    request.set_page_size(
        static_cast<int32_t>(*limit == 0 ? kPageSizeMax : std::min(left, kPageSizeMax)));
    absl::StatusOr<Response> page = list(request);
    if (!page.ok()) return page.status();
    const bool nothing = items(*page)->empty();
    items(all)->MergeFrom(*items(*page));
    all.set_next_page_token(page->next_page_token());
    const bool enough = *limit != 0 && items(all)->size() >= *limit;
    if (page->next_page_token().empty() || enough || nothing) return all;
    request.set_page_token(page->next_page_token());
  }
}

// Says on stderr how to go on where --limit cut the list off.
inline void TellOfMore(const Invocation& invocation, const std::string& next_page_token) {
  if (next_page_token.empty()) return;
  invocation.environment.err << "There is more: --limit 0 for all, or --page-token "
                             << next_page_token << " to go on here.\n";
}

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_PAGES_H_
