// The heart of a router under faults, simulated: dispatcher, drainer and mode on a simulated
// broker, a queue in memory and a clock that stands still. A plan says what happens, step by step,
// and a model checks each step.
#ifndef ROUTER_TESTS_SIMULATION_SIMULATION_H_
#define ROUTER_TESTS_SIMULATION_SIMULATION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "tests/server/base/fake_clock.h"
#include "tests/simulation/draw.h"
#include "tests/simulation/model.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/sim_broker.h"
#include "tests/simulation/sim_call.h"
#include "tests/simulation/sim_message.h"
#include "tests/simulation/sim_router.h"
#include "tests/simulation/trace.h"

namespace router {

struct RunResult {
  std::string failure;    // What promise was broken; empty: none.
  int64_t steps = 0;      // Taken and checked, those of the healing included.
  size_t steps_used = 0;  // Of the plan.
  int64_t messages = 0;
  int64_t lives = 0;
  // How often a record was claimed as one that may have been sent, and how often of those it surely
  // was not.
  int64_t claimed_in_doubt = 0;
  int64_t claimed_in_needless_doubt = 0;
};

// One run. The same plan gives the same run.
class Simulation {
 public:
  // `folder` is for the file with the mode; what is in it is deleted.
  Simulation(const Plan& plan, const std::string& folder, Trace* trace);
  ~Simulation();

  // Takes the plan's steps, then ends all faults and checks that everything heals. Stops at the
  // first broken promise. Call once.
  RunResult Run();

 private:
  void Take(const Step& step);
  void BeginStep();
  void EndStep();

  // The steps.
  void Publish(int messages_max, Draw* draw);
  SimMessage* PickMessage(Draw* draw);
  SimMessage* MakeMessage(Draw* draw);
  void Store(Draw* draw);
  void Answer(Draw* draw);
  void LoseAnswer(Draw* draw);
  void RefuseForGood(Draw* draw);
  void Disconnect(Draw* draw);
  void FailCommit(Draw* draw);
  void Commit(Draw* draw);
  void Drain(Draw* draw);
  void PassTime(absl::Duration time);
  void SetWallClock(Draw* draw);
  void Purge(Draw* draw);
  void Redrive(Draw* draw);
  void PurgeDeadLetters(int percent, Draw* draw);
  std::vector<uint64_t> PickDeadLetters(int percent, Draw* draw) const;
  void RetryNow(Draw* draw);
  void SetFailOpen(bool enabled, Draw* draw);
  void Resume();
  void RefuseCalls(Draw* draw);
  void Die(Draw* draw);
  void Reopen();
  void CrashBetween(Draw* draw);
  void Restart(Draw* draw);
  void Open();

  // Runs `step` of the drainer or of the queue's writer; sometimes another thread comes in between.
  void RunInterrupted(absl::FunctionRef<void()> step, Draw* draw);
  void Interrupt(Draw* draw);

  // What ends a run.
  void Heal();
  bool MakeProgress();
  bool Quiesce();
  void CheckAtRest();

  const Plan plan_;
  const std::string folder_;
  Trace* const trace_;
  FakeClock clock_;
  SimMessages messages_;
  std::vector<SimMessage*> with_caller_id_;
  Model model_;
  SimBroker broker_;
  std::unique_ptr<SimQueue::Contents> contents_;
  std::unique_ptr<SimRouter> router_;
  SimCalls calls_;
  // What is left of a router that has crashed and is not reopened yet. Nothing of what it goes on
  // to do in the present step counts.
  std::unique_ptr<SimQueue::Contents> left_;
  RunResult result_;
};

}  // namespace router

#endif  // ROUTER_TESTS_SIMULATION_SIMULATION_H_
