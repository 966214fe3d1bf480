#ifndef ROUTER_TESTS_SIMULATION_SIM_ROUTER_H_
#define ROUTER_TESTS_SIMULATION_SIM_ROUTER_H_

#include <memory>
#include <string>

#include "absl/types/span.h"
#include "server/dispatcher/dispatcher.h"
#include "server/drainer/drainer.h"
#include "server/mode/mode_controller.h"
#include "server/status/router_status.h"
#include "tests/server/base/fake_clock.h"
#include "tests/simulation/model.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/sim_queue.h"
#include "tests/simulation/sim_transport.h"

namespace router {

// The drainer, as its thread would drive it: a step is due when it has been woken, or when the time
// has come that it asked for.
class DrainerTurns final : public RedeliveryObserver {
 public:
  DrainerTurns(PlantedBug bug, Clock* clock) : bug_(bug), clock_(clock) {}

  void set_drainer(Drainer* drainer) { drainer_ = drainer; }
  bool is_due() const { return woken_ || clock_->SteadyNow() >= wake_; }
  SteadyTime wake() const { return wake_; }
  void Wake() { woken_ = true; }
  void Step() {
    woken_ = false;
    wake_ = drainer_->Step();
  }

  void OnRedelivered(absl::Span<Operation* const> operations) override {
    woken_ = true;
    drainer_->OnRedelivered(operations);
  }
  void OnConnectionEnded(absl::Span<Operation* const> operations) override {
    woken_ = true;
    drainer_->OnConnectionEnded(operations);
  }
  void OnDeliverable() override {
    if (bug_ == PlantedBug::kWakeUpLost) return;
    woken_ = true;
    drainer_->OnDeliverable();
  }

 private:
  const PlantedBug bug_;
  Clock* const clock_;
  Drainer* drainer_ = nullptr;
  bool woken_ = true;
  SteadyTime wake_ = SteadyTime::max();
};

// One life of a router: from its opening on what is in `contents` and `folder` to its end. Nothing
// in it happens by itself.
class SimRouter {
 public:
  SimRouter(const RunOptions& options, const std::string& folder, SimQueue::Contents* contents,
            FakeClock* clock, SimMessages* messages, SimBroker* broker, Model* model);
  ~SimRouter() { Stop(); }

  // Stops in the order of a real router. Everybody who waits is answered. Idempotent.
  void Stop();

  std::unique_ptr<ModeController> mode;
  SimTransport transport;
  SimQueue queue;
  Dispatcher dispatcher;
  Drainer drainer;
  DrainerTurns turns;
  StatusReporter status;
};

}  // namespace router

#endif  // ROUTER_TESTS_SIMULATION_SIM_ROUTER_H_
