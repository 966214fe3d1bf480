// Errors as routerctl tells them: one line on stderr, or JSON, and an exit code.
#ifndef ROUTER_CLIENTS_CLI_ERRORS_H_
#define ROUTER_CLIENTS_CLI_ERRORS_H_

#include <string>

#include "absl/status/status.h"
#include "clients/cli/command.h"
#include "clients/cli/exit_code.h"

namespace router::cli {

// `status`, remembering what could not be done: "list the pending operations".
absl::Status Annotate(absl::Status status, const std::string& task);

ExitCode ExitCodeOf(const absl::Status& status);

// What failed, the reason, what to do and when to try again, in one line without a line end.
std::string DescribeError(const absl::Status& status, const GlobalOptions& options);

// The same for programs: {"error": {"code", "exitCode", "message", "reason", …}}, in one line.
std::string ErrorAsJson(const absl::Status& status, const GlobalOptions& options);

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_ERRORS_H_
