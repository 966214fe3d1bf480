// Questions before what cannot be undone.
#ifndef ROUTER_CLIENTS_CLI_CONFIRM_H_
#define ROUTER_CLIENTS_CLI_CONFIRM_H_

#include <string>

#include "absl/status/status.h"
#include "clients/cli/command.h"

namespace router::cli {

// OK with --yes or where the person at the terminal answers "yes". A usage error where there is no
// terminal to ask at; CANCELLED where the answer is another one.
absl::Status Confirm(const Invocation& invocation, const std::string& question);

// A usage error where a question could not be asked. For before the work that the question is
// about.
absl::Status CheckCanConfirm(const Invocation& invocation);

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_CONFIRM_H_
