#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "clients/cli/app.h"
#include "clients/cli/environment.h"

namespace {

std::string ProgramFolder() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
  const std::string program(path, size > 0 ? size : 0);
  return program.substr(0, program.rfind('/') == std::string::npos ? 0 : program.rfind('/'));
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  // What goes wrong on a connection is told once, in words: no log of gRPC's beside it.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  router::cli::Environment environment{std::cin, std::cout, std::cerr};
  environment.in_is_terminal = isatty(STDIN_FILENO) == 1;
  environment.out_is_terminal = isatty(STDOUT_FILENO) == 1;
  environment.err_is_terminal = isatty(STDERR_FILENO) == 1;
  environment.variable = [](const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return std::string(value == nullptr ? "" : value);
  };
  environment.now = absl::Now;
  environment.program_folder = ProgramFolder();
  return router::cli::RunApp(std::vector<std::string>(argv + 1, argv + argc), environment);
}
