// Runs routerctl in this process against a fake router.
#ifndef ROUTER_TESTS_CLIENTS_CLI_CLI_RUNNER_H_
#define ROUTER_TESTS_CLIENTS_CLI_CLI_RUNNER_H_

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/clients/fake_router.h"

namespace router::testing {

struct CliResult {
  int exit_code = 0;
  std::string out;
  std::string err;
};

// A router with a status in which nothing is wrong, and a clock that stands at 12:00 on 2026-01-31.
class CliTest : public ::testing::Test {
 protected:
  CliTest();

  // With the address of the router, unless `variables` has another one.
  CliResult Run(const std::vector<std::string>& arguments, const std::string& input = "");

  // Connected, an empty queue of 1000 operations and 1 MiB.
  static v1::RouterStatus HealthyStatus();
  // Operation `id`, accepted 90 s ago.
  static v1::PendingOperation MakeOperation(uint64_t id);

  FakeRouter router_;
  std::map<std::string, std::string> variables_;
  bool in_is_terminal_ = false;
  bool out_is_terminal_ = false;
  bool err_is_terminal_ = false;
  std::string program_folder_;
};

}  // namespace router::testing

#endif  // ROUTER_TESTS_CLIENTS_CLI_CLI_RUNNER_H_
