#include "clients/cli/selection.h"

#include "clients/cli/rpc.h"

namespace router::cli {

std::vector<Flag> SelectingFlags() {
  std::vector<Flag> flags = {{"filter", "FILTER", "only these; see above", ""},
                             {"all", "", "all of them", ""}};
  for (const Flag& flag : ChangeFlags()) flags.push_back(flag);
  return flags;
}

absl::StatusOr<std::string> RequiredFilter(const Arguments& arguments) {
  if (arguments.Has("all") == arguments.Has("filter")) {
    return UsageError("say which with either --filter FILTER or --all");
  }
  return arguments.Has("all") ? "*" : arguments.Get("filter");
}

}  // namespace router::cli
