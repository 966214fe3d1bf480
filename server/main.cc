// routerd: takes messages over gRPC and delivers them to a broker, or keeps them until it can.
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include "absl/status/statusor.h"
#include "absl/types/variant.h"
#include "server/base/build_commit.h"
#include "server/config/command_line.h"
#include "server/config/config.h"
#include "server/router.h"

extern char** environ;

namespace {

// Standard error holds one JSON object per line, which the libraries' own words would break. What
// they say of a caller's input reaches the caller as an error.
void SilenceLibraries() {
  google::protobuf::SetLogHandler(nullptr);
  gpr_set_log_function([](gpr_log_func_args*) {});
}

// As many file descriptors as are allowed: a listener that has once run out of them may never
// accept a connection again.
void RaiseFileLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Blocked in every thread, before there is a second one, so that main alone takes them.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args = router::ArgumentsOf(argc, argv);
  const std::vector<std::string> environment = router::EnvironmentOf(environ);
  const auto start =
      router::ReadCommandLine(args, environment, router::kBuildCommit, std::cout, std::cerr);
  if (const int* exit_code = absl::get_if<int>(&start)) return *exit_code;

  // Broken connections and full disks are reported by the calls that meet them.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  const sigset_t signals = BlockSignals();
  SilenceLibraries();
  RaiseFileLimit();

  const absl::StatusOr<std::unique_ptr<router::Router>> running =
      router::Router::Start(absl::get<router::LoadedConfig>(start),
                            [&] { return router::LoadConfig(args, environment); });
  if (!running.ok()) return EXIT_FAILURE;  // The log says why.
  int signal = 0;
  while (sigwait(&signals, &signal) == 0 && signal == SIGHUP) (*running)->Reload();
  (*running)->Stop();
  return EXIT_SUCCESS;
}
