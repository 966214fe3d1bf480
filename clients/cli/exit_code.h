// How routerctl ends: what scripts decide by.
#ifndef ROUTER_CLIENTS_CLI_EXIT_CODE_H_
#define ROUTER_CLIENTS_CLI_EXIT_CODE_H_

namespace router::cli {

// `routerctl check` ends as a monitoring plug-in instead: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
enum class ExitCode {
  kOk = 0,
  kError = 1,
  kUsage = 2,        // Wrong arguments, found here or by the router.
  kUnavailable = 3,  // No router answers, or not in time.
  kNotFound = 4,
  kPrecondition = 5,  // Not in this state: a stale etag, a broker that is away.
  kDenied = 6,
  kPartial = 7,  // Some of several messages failed.
};

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_EXIT_CODE_H_
