// Runs plans, and makes failing ones short.
#ifndef ROUTER_TESTS_SIMULATION_RUNNER_H_
#define ROUTER_TESTS_SIMULATION_RUNNER_H_

#include <string>
#include <vector>

#include "tests/simulation/plan.h"
#include "tests/simulation/simulation.h"

namespace router {

// A new folder in memory, where the machine has such, that goes with the object. SIGINT and SIGTERM
// end the process before the next run in it, and the folder goes, too; a second one does at once.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

RunResult RunPlan(const Plan& plan, const std::string& folder);
// With what happened, one line a step, in `lines`.
RunResult RunPlan(const Plan& plan, const std::string& folder, std::vector<std::string>* lines);

// A plan that fails, made of fewer steps and fewer messages of `plan`, which fails too: no step of
// it can be left out. Takes some hundred runs.
Plan Shrink(const Plan& plan, const std::string& folder);

}  // namespace router

#endif  // ROUTER_TESTS_SIMULATION_RUNNER_H_
