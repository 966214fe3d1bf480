// routerctl from its arguments to its exit code.
#ifndef ROUTER_CLIENTS_CLI_APP_H_
#define ROUTER_CLIENTS_CLI_APP_H_

#include <string>
#include <vector>

#include "clients/cli/environment.h"

namespace router::cli {

// `arguments` without the program's name. Prints data on `environment.out`, everything else on
// `environment.err`, and returns the exit code.
int RunApp(const std::vector<std::string>& arguments, Environment& environment);

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_APP_H_
