// Running another program.
#ifndef ROUTER_CLIENTS_CLI_SUBPROCESS_H_
#define ROUTER_CLIENTS_CLI_SUBPROCESS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace router::cli {

struct ProgramResult {
  int exit_code = 0;   // 128 and the signal where one ended it.
  std::string output;  // What it printed, stdout and stderr together.
};

// Runs a program (found in PATH where it has no slash) to its end, with no input and without a
// shell. An error where it cannot be started.
absl::StatusOr<ProgramResult> RunProgram(const std::vector<std::string>& command_line);

bool IsExecutable(const std::string& path);

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_SUBPROCESS_H_
