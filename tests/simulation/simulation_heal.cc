// What ends a run: every fault ends, and then everything has to heal, soon.
#include <algorithm>

#include "absl/status/status.h"
#include "tests/simulation/simulation.h"

namespace router {
namespace {

// How long it may take, by the simulated clock: an attempt that is never answered takes two
// seconds, and a key's head may have to wait for five until it is tried again.
constexpr std::chrono::seconds kHealTimeMax(20);
// Steps from one rest to the next: a few for every message there is.
constexpr int kTurnsMin = 1000;
constexpr int kTurnsPerMessage = 10;

}  // namespace

void Simulation::Heal() {
  BeginStep();
  if (trace_->on()) trace_->BeginLine("  heal");
  Resume();
  Draw none(0);
  SetFailOpen(false, &none);
  router_->queue.FailNextAppend(absl::OkStatus());
  router_->queue.Refuse({});
  router_->queue.set_crash_point([] {});
  EndStep();
  const SteadyTime give_up = clock_.SteadyNow() + kHealTimeMax;
  while (!model_.failed() && clock_.SteadyNow() < give_up) {
    if (!Quiesce()) return model_.Fail("it does not come to rest: a live lock");
    CheckAtRest();
    const bool healed = model_.unanswered() == 0 && model_.queue_is_empty() &&
                        router_->transport.unsettled_count() == 0;
    if (healed) return model_.CheckHealed();
    const SteadyTime next = std::min(router_->turns.wake(), router_->transport.NextDeadline());
    const SteadyTime soon = clock_.SteadyNow() + std::chrono::milliseconds(10);
    BeginStep();
    if (trace_->on()) trace_->BeginLine("  heal: time passes");
    PassTime(absl::FromChrono(std::max(next, soon) - clock_.SteadyNow()));
    router_->transport.TimeOut();
    EndStep();
  }
  model_.Fail("it does not heal: a wedge");
}

// Until nothing happens any more, unless time passes.
bool Simulation::Quiesce() {
  const int turns_max = kTurnsMin + kTurnsPerMessage * static_cast<int>(messages_.all().size());
  for (int turn = 0; turn < turns_max; ++turn) {
    BeginStep();
    if (trace_->on()) trace_->BeginLine("  heal");
    const bool progress = MakeProgress();
    EndStep();
    if (!progress || model_.failed()) return true;
  }
  return false;
}

bool Simulation::MakeProgress() {
  SimTransport& transport = router_->transport;
  if (broker_.StoreLate(clock_.SteadyNow())) return true;
  if (!transport.connected()) {
    transport.Connect();
    return true;
  }
  if (transport.TreatNext(SimTransport::Treatment::kStore)) return true;
  if (const int answers = transport.answers_under_way(); answers > 0) {
    transport.Answer(0, answers);
    return true;
  }
  if (router_->queue.has_work()) {
    router_->queue.Commit();
    return true;
  }
  if (router_->turns.is_due()) {
    router_->turns.Step();
    return true;
  }
  // Dead letters take room that callers may be waiting for, until somebody decides about them.
  if (contents_->dead_letters.empty() || model_.unanswered() == 0) return false;
  if (trace_->on()) trace_->Note("the operator purges the dead letters");
  Draw none(0);
  PurgeDeadLetters(100, &none);
  return true;
}

// Nobody may rest while there is something to do.
void Simulation::CheckAtRest() {
  if (model_.failed() || router_->transport.unsettled_count() > 0) return;
  if (!model_.queue_is_empty() && !model_.HasBlockedHead(router_->drainer)) {
    return model_.Fail("the drainer sleeps, and there is something to deliver");
  }
  if (model_.queue_is_empty() && model_.unanswered() > 0) {
    model_.Fail("nothing is in hand, and a caller waits");
  }
}

}  // namespace router
