#ifndef ROUTER_SERVER_CONFIG_SUGGESTION_H_
#define ROUTER_SERVER_CONFIG_SUGGESTION_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace router {

// The candidate that `text` was probably meant to be: the one with the fewest letters to change,
// where those are few. Empty when none is near.
absl::string_view ClosestTo(absl::string_view text,
                            const std::vector<absl::string_view>& candidates);

// `; did you mean "x"?`, or nothing for an empty x.
std::string DidYouMean(absl::string_view suggestion);

}  // namespace router

#endif  // ROUTER_SERVER_CONFIG_SUGGESTION_H_
