// Everything routerctl touches outside of itself, so that tests can hand it something else.
#ifndef ROUTER_CLIENTS_CLI_ENVIRONMENT_H_
#define ROUTER_CLIENTS_CLI_ENVIRONMENT_H_

#include <functional>
#include <istream>
#include <ostream>
#include <string>

#include "absl/time/time.h"

namespace router::cli {

// Borrows the streams.
struct Environment {
  std::istream& in;
  std::ostream& out;  // Data.
  std::ostream& err;  // Words.
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  // An environment variable; empty where it is not set.
  std::function<std::string(const std::string& name)> variable = {};
  std::function<absl::Time()> now = {};
  // The folder of this program; empty where it is not known.
  std::string program_folder = {};
};

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_ENVIRONMENT_H_
