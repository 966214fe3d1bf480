#include "tests/simulation/runner.h"

#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>

#include "tests/simulation/trace.h"

namespace router {
namespace {

volatile sig_atomic_t ending_signal = 0;

void EndIfTold(const std::string& folder) {
  if (ending_signal == 0) return;
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  raise(ending_signal);
}

bool Fails(const Plan& plan, const std::string& folder) {
  return !RunPlan(plan, folder).failure.empty();
}

// Leaves out as many runs of `chunk` steps as it can. Whether it could.
bool LeaveOut(size_t chunk, const std::string& folder, Plan* plan) {
  bool changed = false;
  // From the end: what is late matters least to the rest.
  for (size_t end = plan->steps.size(); end > 0;) {
    const size_t begin = end - std::min(chunk, end);
    Plan shorter = *plan;
    shorter.steps.erase(shorter.steps.begin() + static_cast<int64_t>(begin),
                        shorter.steps.begin() + static_cast<int64_t>(end));
    if (Fails(shorter, folder)) {
      *plan = std::move(shorter);
      changed = true;
    }
    end = std::min(begin, plan->steps.size());
  }
  return changed;
}

void PublishLess(const std::string& folder, Plan* plan) {
  for (size_t i = 0; i < plan->steps.size(); ++i) {
    if (plan->steps[i].kind != StepKind::kPublish) continue;
    for (const int messages_max : {1, 2, 3, 5, 10}) {
      if (messages_max >= plan->steps[i].messages_max) break;
      Plan smaller = *plan;
      smaller.steps[i].messages_max = messages_max;
      if (!Fails(smaller, folder)) continue;
      *plan = std::move(smaller);
      break;
    }
  }
}

}  // namespace

ScratchFolder::ScratchFolder() {
  const char* temp = "/dev/shm";
  if (!std::filesystem::is_directory(temp)) temp = getenv("TEST_TMPDIR");
  if (temp == nullptr) temp = "/tmp";
  path_ = std::string(temp) + "/router_simulation_XXXXXX";
  if (mkdtemp(&path_[0]) == nullptr) abort();
  struct sigaction action = {};
  action.sa_handler = [](int signal) { ending_signal = signal; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

RunResult RunPlan(const Plan& plan, const std::string& folder) {
  EndIfTold(folder);
  Trace trace(false);
  return Simulation(plan, folder, &trace).Run();
}

RunResult RunPlan(const Plan& plan, const std::string& folder, std::vector<std::string>* lines) {
  EndIfTold(folder);
  Trace trace(true);
  RunResult result = Simulation(plan, folder, &trace).Run();
  *lines = trace.lines();
  return result;
}

Plan Shrink(const Plan& plan, const std::string& folder) {
  Plan shortest = plan;
  shortest.steps.resize(RunPlan(plan, folder).steps_used);
  const auto leave_out_all = [&] {
    for (size_t chunk = std::max<size_t>(1, shortest.steps.size() / 2); chunk > 1; chunk /= 2) {
      LeaveOut(chunk, folder, &shortest);
    }
    while (LeaveOut(1, folder, &shortest)) {
    }
  };
  leave_out_all();
  PublishLess(folder, &shortest);
  leave_out_all();
  return shortest;
}

}  // namespace router
