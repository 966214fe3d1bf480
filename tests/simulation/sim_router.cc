#include "tests/simulation/sim_router.h"

#include <utility>

namespace router {
namespace {

std::unique_ptr<ModeController> OpenMode(bool enabled, const std::string& folder, Clock* clock,
                                         Model* model) {
  const auto fail = [model](const absl::Status& problem) { model->Fail(problem.ToString()); };
  absl::StatusOr<std::unique_ptr<ModeController>> mode =
      ModeController::Open({folder, enabled}, clock, fail);
  if (!mode.ok()) std::abort();  // Only a broken file system does this.
  return *std::move(mode);
}

}  // namespace

SimRouter::SimRouter(const RunOptions& options, const std::string& folder,
                     SimQueue::Contents* contents, FakeClock* clock, SimMessages* messages,
                     SimBroker* broker, Model* model)
    : mode(OpenMode(options.fail_open, folder, clock, model)),
      transport(options, clock, messages, broker, model),
      queue(options.bug, contents, model),
      dispatcher(options.dispatcher, clock, mode.get(), &transport, &queue, model),
      drainer(options.drainer, clock, &dispatcher, &queue, model),
      turns(options.bug, clock),
      status({}, clock, &transport, &dispatcher, &drainer, &queue, mode.get()) {
  turns.set_drainer(&drainer);
  model->BeginLife({contents, &transport, &dispatcher, &status, mode.get()});
  absl::Status opened = dispatcher.OpenQueue();
  if (opened.ok()) opened = dispatcher.Start(&turns);
  if (!opened.ok()) model->Fail(opened.ToString());
}

void SimRouter::Stop() {
  dispatcher.StopAccepting();
  drainer.Stop();
  transport.Stop(absl::ZeroDuration());
  drainer.SettleRest();
  queue.Close();
}

}  // namespace router
