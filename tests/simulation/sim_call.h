#ifndef ROUTER_TESTS_SIMULATION_SIM_CALL_H_
#define ROUTER_TESTS_SIMULATION_SIM_CALL_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "server/base/clock.h"
#include "server/base/operation.h"
#include "tests/simulation/sim_message.h"

namespace router {

class SimCall;

// The calls that wait for an answer, and those that have got it in this step.
class SimCalls {
 public:
  ~SimCalls() { DeleteDone(); }

  PublishBatch* Make(const std::vector<SimMessage*>& messages, SteadyTime deadline, Clock* clock);
  void NoteDone(SimCall* call) { done_.push_back(call); }
  void DeleteDone();
  int64_t alive() const { return alive_; }

 private:
  std::vector<SimCall*> done_;
  int64_t alive_ = 0;
};

// A caller with its batch. Its messages must stay where they are.
class SimCall final : public PublishBatch {
 public:
  SimCall(const std::vector<SimMessage*>& messages, SteadyTime deadline, Clock* clock,
          SimCalls* calls);

 protected:
  void Done() override { calls_->NoteDone(this); }

 private:
  SimCalls* const calls_;
};

}  // namespace router

#endif  // ROUTER_TESTS_SIMULATION_SIM_CALL_H_
