// What a plan's steps do.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/simulation/simulation.h"

namespace router {
namespace {

SteadyTime PickDeadline(SteadyTime now, Draw* draw) {
  switch (draw->Below(8)) {
    case 0:
      return now;
    case 1:
      return now + std::chrono::milliseconds(50);
    case 2:
    case 3:
      return now + std::chrono::milliseconds(500 + draw->Below(3000));
    default:
      return SteadyTime::max();
  }
}

}  // namespace

SimMessage* Simulation::MakeMessage(Draw* draw) {
  SimMessage* const message = messages_.Add();
  message->subject = absl::StrCat("key-", draw->Below(static_cast<size_t>(plan_.options.keys)));
  message->payload = absl::StrCat(message->number, "/", message->subject);
  if (draw->Chance(5)) message->payload.append(200, '.');
  if (draw->Chance(plan_.options.caller_id_percent)) {
    message->caller_chose_id = true;
    if (!with_caller_id_.empty() && draw->Chance(5)) {
      SimMessage* const twin =
          with_caller_id_[static_cast<size_t>(draw->Below(with_caller_id_.size()))];
      if (twin->twin == nullptr) {
        message->twin = twin;
        twin->twin = message;
      }
    }
    with_caller_id_.push_back(message);
  }
  message->id = message->twin != nullptr
                    ? message->twin->id
                    : absl::StrCat(message->caller_chose_id ? "mine-" : "made-", message->number);
  if (draw->Chance(3)) message->ttl = absl::Milliseconds(draw->Below(3000));
  if (draw->Chance(10)) message->guarantee = Guarantee::kReceived;
  message->valid = !draw->Chance(1);
  message->key_hash = HashOrderingKey(message->subject);
  Message view;
  view.subject = message->subject;
  view.payload = message->payload;
  view.message_id = message->id;
  message->size_bytes = OperationSize(view, message->subject);
  return message;
}

SimMessage* Simulation::PickMessage(Draw* draw) {
  if (with_caller_id_.empty() || !draw->Chance(8)) return MakeMessage(draw);
  // Callers try again soon.
  const size_t recent = std::min<size_t>(with_caller_id_.size(), draw->Chance(50) ? 5 : 1000);
  const size_t back = 1 + static_cast<size_t>(draw->Below(recent));
  return with_caller_id_[with_caller_id_.size() - back];
}

void Simulation::Publish(int messages_max, Draw* draw) {
  const SteadyTime deadline = PickDeadline(clock_.SteadyNow(), draw);
  const int count = std::min(messages_max, 1 + draw->Below(draw->Chance(10) ? 20 : 3));
  std::vector<SimMessage*> messages;
  for (int i = 0; i < count; ++i) messages.push_back(PickMessage(draw));
  if (trace_->on()) {
    for (const SimMessage* message : messages) {
      trace_->Note(absl::StrCat("m", message->number, "(", message->subject,
                                message->caller_chose_id ? absl::StrCat(" id=", message->id) : "",
                                message->guarantee == Guarantee::kReceived ? " core" : "",
                                message->ttl < absl::InfiniteDuration()
                                    ? absl::StrCat(" ttl=", absl::FormatDuration(message->ttl))
                                    : "",
                                ")"));
    }
    if (deadline != SteadyTime::max()) {
      trace_->Note(absl::StrCat(
          "deadline=", absl::FormatDuration(absl::FromChrono(deadline - clock_.SteadyNow()))));
    }
    trace_->Note("->");
  }
  PublishBatch* const batch = calls_.Make(messages, deadline, &clock_);
  model_.OnPublishing(batch);
  router_->dispatcher.Publish(batch);
  model_.OnPublished(batch);
}

void Simulation::Store(Draw* draw) {
  for (int left = 1 + draw->Below(10); left > 0; --left) {
    if (!router_->transport.TreatNext(SimTransport::Treatment::kStore)) return;
  }
}

void Simulation::Answer(Draw* draw) {
  const int answers = router_->transport.answers_under_way();
  if (answers == 0) return;
  const int index = draw->Chance(80) ? 0 : draw->Below(static_cast<size_t>(answers));
  router_->transport.Answer(index, 1 + draw->Below(10));
}

void Simulation::LoseAnswer(Draw* draw) {
  const int answers = router_->transport.answers_under_way();
  if (answers > 0) router_->transport.LoseAnswer(draw->Below(static_cast<size_t>(answers)));
}

void Simulation::RefuseForGood(Draw* draw) {
  constexpr Refusal kRefusals[] = {Refusal::kNoStreamForSubject, Refusal::kNoStreamForSubject,
                                   Refusal::kMessageTooLarge, Refusal::kOther};
  router_->transport.TreatNext(SimTransport::Treatment::kRefuseForGood,
                               kRefusals[draw->Below(std::size(kRefusals))]);
}

void Simulation::Disconnect(Draw* draw) {
  const int in_pipe = router_->transport.in_pipe();
  const int arrives = draw->Below(static_cast<size_t>(in_pipe) + 1);
  const int late = draw->Chance(30) ? draw->Below(static_cast<size_t>(in_pipe - arrives) + 1) : 0;
  router_->transport.Disconnect(arrives, late);
}

void Simulation::FailCommit(Draw* draw) {
  router_->queue.FailNextAppend(draw->Chance(50) ? absl::UnavailableError("fsync failed")
                                                 : absl::ResourceExhaustedError("disk full"));
}

void Simulation::RefuseCalls(Draw* draw) { router_->queue.Refuse(draw->Next()); }

void Simulation::Commit(Draw* draw) {
  RunInterrupted([this] { router_->queue.Commit(); }, draw);
}

void Simulation::Drain(Draw* draw) {
  if (!router_->turns.is_due()) return;
  RunInterrupted([this] { router_->turns.Step(); }, draw);
}

void Simulation::RunInterrupted(absl::FunctionRef<void()> step, Draw* draw) {
  if (!draw->Chance(plan_.options.interruption_percent)) return step();
  int left = draw->Below(5);
  router_->queue.set_interruption([this, &left, draw] {
    if (left-- == 0) Interrupt(draw);
  });
  step();
  router_->queue.set_interruption([] {});
}

// What the transport's thread and callers may do.
void Simulation::Interrupt(Draw* draw) {
  if (left_ != nullptr) return;
  if (trace_->on()) trace_->Note("[meanwhile");
  switch (draw->Below(7)) {
    case 0:
      Store(draw);
      Answer(draw);
      break;
    case 1:
      Answer(draw);
      break;
    case 2:
      Disconnect(draw);
      break;
    case 3:
      Disconnect(draw);
      router_->transport.Connect();
      break;
    case 4:
      Publish(3, draw);
      break;
    case 5:
      router_->transport.TimeOut();
      break;
    case 6:
      router_->transport.TreatNext(SimTransport::Treatment::kRefuseForNow);
      Answer(draw);
      break;
  }
  if (trace_->on()) trace_->Note("]");
}

void Simulation::PassTime(absl::Duration time) {
  clock_.Advance(time);
  router_->dispatcher.Tick();
  if (plan_.options.bug != PlantedBug::kModeNeverExpires) router_->mode->Tick();
  model_.OnModeTick();
}

void Simulation::SetWallClock(Draw* draw) {
  clock_.SetWall(clock_.WallNow() + absl::Seconds(draw->Below(7200) - 3600));
}

void Simulation::Purge(Draw* draw) {
  absl::StatusOr<std::vector<PendingRecord>> records = router_->queue.Scan(0, 1000, false);
  if (!records.ok()) return model_.Fail(records.status().ToString());
  const int percent = static_cast<int>(draw->Pick({5, 20, 100}));
  std::vector<uint64_t> sequences;
  for (const PendingRecord& record : *records) {
    if (draw->Chance(percent)) sequences.push_back(record.sequence);
  }
  model_.set_purging(true);
  const absl::StatusOr<int64_t> purged = router_->queue.Purge(sequences);
  model_.set_purging(false);
  if (!purged.ok()) model_.OnError(purged.status());
}

std::vector<uint64_t> Simulation::PickDeadLetters(int percent, Draw* draw) const {
  std::vector<uint64_t> sequences;
  for (const auto& [sequence, dead] : contents_->dead_letters) {
    if (draw->Chance(percent)) sequences.push_back(sequence);
  }
  return sequences;
}

void Simulation::Redrive(Draw* draw) {
  const std::vector<uint64_t> sequences =
      PickDeadLetters(static_cast<int>(draw->Pick({20, 100})), draw);
  if (sequences.empty()) return;
  const absl::StatusOr<int64_t> redriven = router_->queue.RedriveDeadLetters(sequences);
  if (!redriven.ok()) model_.OnError(redriven.status());
}

void Simulation::PurgeDeadLetters(int percent, Draw* draw) {
  model_.set_purging(true);
  const absl::StatusOr<int64_t> purged =
      router_->queue.PurgeDeadLetters(PickDeadLetters(percent, draw));
  model_.set_purging(false);
  if (!purged.ok()) model_.OnError(purged.status());
}

void Simulation::RetryNow(Draw* draw) {
  const std::string key =
      absl::StrCat("key-", draw->Below(static_cast<size_t>(plan_.options.keys)));
  router_->drainer.RetryNow({HashOrderingKey(key)});
  router_->turns.Wake();
}

void Simulation::SetFailOpen(bool enabled, Draw* draw) {
  ModeChange change;
  change.enabled = enabled;
  change.actor = "operator";
  change.reason = "the plan says so";
  if (enabled && draw->Chance(50)) change.ttl = absl::Milliseconds(1000 + draw->Below(5000));
  const absl::StatusOr<FailOpenState> changed = router_->mode->Set(change);
  if (!changed.ok()) return model_.Fail(changed.status().ToString());
  model_.OnModeSet(enabled, changed->expire_time);
}

void Simulation::Resume() {
  router_->dispatcher.ResumeDelivery();
  model_.set_paused(false);
}

}  // namespace router
