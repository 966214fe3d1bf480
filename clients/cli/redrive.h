// `routerctl dlq redrive`: call after call, until everything is back in the queue.
#ifndef ROUTER_CLIENTS_CLI_REDRIVE_H_
#define ROUTER_CLIENTS_CLI_REDRIVE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "clients/cli/command.h"

namespace router::cli {

// "1 dead letter", "2 dead letters".
std::string DeadLetterCount(int64_t count);

// ExitCode::kPartial where it ended with an error after some were moved, or the router refused
// some.
absl::StatusOr<ExitCode> RunRedrive(const Invocation& invocation);

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_REDRIVE_H_
