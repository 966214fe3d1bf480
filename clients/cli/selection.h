// Which ones a command is about: --filter or --all.
#ifndef ROUTER_CLIENTS_CLI_SELECTION_H_
#define ROUTER_CLIENTS_CLI_SELECTION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "clients/cli/arguments.h"

namespace router::cli {

// --filter, --all and the flags of a change.
std::vector<Flag> SelectingFlags();

// The filter for a request: that of --filter, or `*` for --all. A usage error where it is neither
// or both.
absl::StatusOr<std::string> RequiredFilter(const Arguments& arguments);

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_SELECTION_H_
