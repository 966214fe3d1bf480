#ifndef ROUTER_SERVER_CONFIG_COMMAND_LINE_H_
#define ROUTER_SERVER_CONFIG_COMMAND_LINE_H_

#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "absl/types/variant.h"
#include "server/config/config.h"

namespace router {

// Exit code for a wrong configuration (EX_CONFIG of sysexits.h).
inline constexpr int kExitCodeConfig = 78;

// Handles everything about the command line but running the router. Returns the configuration to
// run with, or the exit code where there is nothing to run:
//
//   --help, --version   print to `out`, 0
//   --check-config      "ok" to `out`, 0
//   --print-config      the configuration in force to `out`, 0
//   any error           all errors to `err`, kExitCodeConfig
//
//   auto start = ReadCommandLine(args, environment, commit, std::cout, std::cerr);
//   if (auto* exit_code = absl::get_if<int>(&start)) return *exit_code;
//   const LoadedConfig& config = absl::get<LoadedConfig>(start);
absl::variant<int, LoadedConfig> ReadCommandLine(absl::Span<const std::string> args,
                                                 absl::Span<const std::string> environment,
                                                 absl::string_view commit, std::ostream& out,
                                                 std::ostream& err);

// argv without the program's name, and environ, as ReadCommandLine takes them.
std::vector<std::string> ArgumentsOf(int argc, const char* const* argv);
std::vector<std::string> EnvironmentOf(const char* const* environment);

}  // namespace router

#endif  // ROUTER_SERVER_CONFIG_COMMAND_LINE_H_
