#include "tests/simulation/simulation.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace router {

Simulation::Simulation(const Plan& plan, const std::string& folder, Trace* trace)
    : plan_(plan),
      folder_(folder),
      trace_(trace),
      model_(plan.options, &clock_, &messages_, trace),
      broker_(plan.options.duplicate_window, &model_),
      contents_(std::make_unique<SimQueue::Contents>()) {
  std::filesystem::remove(folder_ + "/fail_open.json");
  Open();
}

Simulation::~Simulation() {
  model_.EndLife();
  router_->Stop();
  calls_.DeleteDone();
}

RunResult Simulation::Run() {
  for (const Step& step : plan_.steps) {
    Take(step);
    ++result_.steps_used;
    if (model_.failed()) break;
  }
  if (!model_.failed()) Heal();
  result_.failure = model_.failure();
  result_.claimed_in_doubt = model_.claimed_in_doubt();
  result_.claimed_in_needless_doubt = model_.claimed_in_needless_doubt();
  result_.messages = static_cast<int64_t>(messages_.all().size());
  return result_;
}

void Simulation::BeginStep() { model_.BeginStep(); }

void Simulation::EndStep() {
  model_.CheckStep();
  calls_.DeleteDone();
  ++result_.steps;
}

void Simulation::Take(const Step& step) {
  if (trace_->on()) {
    trace_->BeginLine(absl::StrFormat(
        "%6d %9.3fs  %-18s", step.position,
        absl::ToDoubleSeconds(absl::FromChrono(clock_.SteadyNow().time_since_epoch())) - 3600,
        StepName(step.kind)));
  }
  Draw draw(step.draw);
  BeginStep();
  switch (step.kind) {
    case StepKind::kPublish:
      Publish(step.messages_max, &draw);
      break;
    case StepKind::kStore:
      Store(&draw);
      break;
    case StepKind::kAnswer:
      Answer(&draw);
      break;
    case StepKind::kLoseAnswer:
      LoseAnswer(&draw);
      break;
    case StepKind::kSwallow:
      router_->transport.TreatNext(SimTransport::Treatment::kSwallow);
      break;
    case StepKind::kRefuseForNow:
      router_->transport.TreatNext(SimTransport::Treatment::kRefuseForNow);
      break;
    case StepKind::kRefuseForGood:
      RefuseForGood(&draw);
      break;
    case StepKind::kTimeOut:
      router_->transport.TimeOut();
      break;
    case StepKind::kConnect:
      router_->transport.Connect();
      break;
    case StepKind::kDisconnect:
      Disconnect(&draw);
      break;
    case StepKind::kLate:
      broker_.StoreLate(clock_.SteadyNow());
      break;
    case StepKind::kCommit:
      Commit(&draw);
      break;
    case StepKind::kFailCommit:
      FailCommit(&draw);
      break;
    case StepKind::kDiskRefuses:
      RefuseCalls(&draw);
      break;
    case StepKind::kDiskWell:
      router_->queue.Refuse({});
      break;
    case StepKind::kDrain:
      Drain(&draw);
      break;
    case StepKind::kPassTime:
      PassTime(absl::Milliseconds(draw.Below(draw.Chance(10) ? 3000 : 100)));
      break;
    case StepKind::kSetWallClock:
      SetWallClock(&draw);
      break;
    case StepKind::kPurge:
      Purge(&draw);
      break;
    case StepKind::kRedrive:
      Redrive(&draw);
      break;
    case StepKind::kPurgeDeadLetters:
      PurgeDeadLetters(static_cast<int>(draw.Pick({20, 100})), &draw);
      break;
    case StepKind::kRetryNow:
      RetryNow(&draw);
      break;
    case StepKind::kPause:
      model_.set_paused(true);
      router_->dispatcher.PauseDelivery();
      break;
    case StepKind::kResume:
      Resume();
      break;
    case StepKind::kFailOpenOn:
      SetFailOpen(true, &draw);
      break;
    case StepKind::kFailOpenOff:
      SetFailOpen(false, &draw);
      break;
    case StepKind::kCrash:
      Die(&draw);
      break;
    case StepKind::kCrashBetween:
      CrashBetween(&draw);
      break;
    case StepKind::kRestart:
      Restart(&draw);
      break;
  }
  if (left_ != nullptr) Reopen();
  EndStep();
}

void Simulation::Open() {
  router_ = std::make_unique<SimRouter>(plan_.options, folder_, contents_.get(), &clock_,
                                        &messages_, &broker_, &model_);
  ++result_.lives;
}

// What is in the queue and was not committed is gone, and so is everything in memory. What is on
// its way to the broker may still arrive.
void Simulation::Die(Draw* draw) {
  const int in_pipe = router_->transport.in_pipe();
  const int arrives = draw->Below(static_cast<size_t>(in_pipe) + 1);
  router_->transport.Cut(arrives, draw->Below(static_cast<size_t>(in_pipe - arrives) + 1));
  left_ = std::make_unique<SimQueue::Contents>(router_->queue.Durable());
  model_.EndLife();
}

void Simulation::Reopen() {
  router_.reset();  // Gives memory back. Nobody hears what it says, and nothing of it is kept.
  calls_.DeleteDone();
  contents_ = std::move(left_);
  if (plan_.options.bug == PlantedBug::kModeForgotten) {
    std::filesystem::remove(folder_ + "/fail_open.json");
  }
  Open();
}

// At one of the next moments at which something is on disk that nobody has heard of yet.
void Simulation::CrashBetween(Draw* draw) {
  router_->queue.set_crash_point(
      [this, left = draw->Below(4), rest = Draw(draw->Next())]() mutable {
        if (left_ != nullptr || left-- > 0) return;
        if (trace_->on()) trace_->Note("[crash]");
        Die(&rest);
      });
}

void Simulation::Restart(Draw* draw) {
  router_->queue.set_crash_point([] {});
  model_.set_draining();
  if (draw->Chance(50)) {
    while (router_->transport.TreatNext(SimTransport::Treatment::kStore)) {
    }
    router_->transport.Answer(0, router_->transport.answers_under_way());
  }
  router_->dispatcher.StopAccepting();
  if (draw->Chance(30)) Publish(1, draw);
  Disconnect(draw);
  router_->Stop();
  if (model_.unanswered() > 0) model_.Fail("a router was stopped, and a caller is left waiting");
  model_.CheckStep();
  model_.EndLife();
  router_.reset();
  calls_.DeleteDone();
  if (calls_.alive() > 0) std::abort();
  Open();
}

}  // namespace router
