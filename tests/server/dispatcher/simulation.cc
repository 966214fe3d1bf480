#include "tests/server/dispatcher/simulation.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace router {
namespace {

constexpr int kKeyCount = 6;
constexpr int kHealTurnsMax = 20000;

}  // namespace

Simulation::Simulation(uint64_t seed)
    : random_(seed),
      rig_(PickOptions(&random_)),
      status_({}, &rig_.clock, &rig_.transport, &rig_.dispatcher, &rig_.drainer, &rig_.queue,
              rig_.mode.get()) {}

RigOptions Simulation::PickOptions(std::mt19937_64* random) {
  const auto pick = [random](std::vector<int64_t> values) {
    return values[(*random)() % values.size()];
  };
  RigOptions options;
  options.dispatcher.full_policy = static_cast<FullPolicy>(pick({0, 1, 2}));
  options.dispatcher.queue_count_max = pick({3, 20, 1000});
  options.dispatcher.waiting_bytes_max = pick({500, 5000, 1 << 20});
  options.dispatcher.in_flight_bytes_max = pick({300, 1 << 20});
  options.transport.max_in_flight = pick({1, 2, 8, 64});
  options.drainer.claim_count_max = pick({1, 5, 1024});
  options.drainer.blocked_keys_max = static_cast<size_t>(pick({1, 4096}));
  options.fail_open = pick({0, 0, 1}) == 1;
  return options;
}

absl::Duration Simulation::PickTimeout() {
  switch (Below(8)) {
    case 0:
      return absl::ZeroDuration();
    case 1:
      return absl::Milliseconds(50);
    case 2:
    case 3:
      return absl::Milliseconds(500 + Below(3000));
    default:
      return absl::InfiniteDuration();
  }
}

MessageSpec Simulation::PickMessage() {
  if (!with_caller_id_.empty() && Chance(8)) {
    Published& earlier =
        published_[with_caller_id_[static_cast<size_t>(Below(with_caller_id_.size()))]];
    earlier.replayed = true;
    ++replays_;
    return earlier.spec;
  }
  Published published;
  published.number = published_.size() + 1;
  published.spec.subject = absl::StrCat("key-", Below(kKeyCount));
  published.spec.payload = absl::StrCat(published.spec.subject, "/", published.number);
  if (Chance(5)) published.spec.payload.append(200, '.');
  if (Chance(30)) {
    published.spec.caller_id = absl::StrCat("mine-", published.number);
    with_caller_id_.push_back(published.spec.payload);
  }
  if (Chance(3)) published.spec.ttl = absl::Milliseconds(Below(3000));
  if (Chance(10)) published.spec.guarantee = Guarantee::kReceived;
  published.spec.valid = !Chance(1);
  published_[published.spec.payload] = published;
  return published.spec;
}

void Simulation::Publish() {
  std::vector<MessageSpec> specs;
  const int count = 1 + Below(Chance(10) ? 20 : 3);
  for (int i = 0; i < count; ++i) specs.push_back(PickMessage());
  operations_ += count;
  unanswered_.push_back(&rig_.PublishBatch(specs, PickTimeout()));
}

void Simulation::Acknowledge() {
  for (int left = 1 + Below(10); left > 0 && rig_.transport.unsettled_count() > 0; --left) {
    ReleaseOne(/*fails=*/false);
  }
}

void Simulation::ReleaseOne(bool fails) {
  const FakeMessage oldest = rig_.transport.Unsettled().front();
  if (doomed_.erase(oldest.payload) > 0 || fails) {
    rig_.transport.FailNext(Verdict::kFailed, FailureReason::kNoResponders);
    Doom(oldest.subject);
    doomed_.erase(oldest.payload);
  }
  rig_.transport.ReleaseOne();
}

void Simulation::Doom(const std::string& key) {
  for (const FakeMessage& message : rig_.transport.Unsettled()) {
    if (message.subject == key) doomed_.insert(message.payload);
  }
}

void Simulation::Refuse() {
  if (rig_.transport.unsettled_count() == 0 || !doomed_.empty()) return;
  // Where no stream takes the subject, none takes what follows.
  const bool no_stream = Chance(50);
  const FakeMessage oldest = rig_.transport.Unsettled().front();
  if (no_stream) Doom(oldest.subject);
  doomed_.erase(oldest.payload);
  rig_.transport.FailNext(Verdict::kRefused, FailureReason::kBrokerError,
                          no_stream ? Refusal::kNoStreamForSubject : Refusal::kOther);
  rig_.transport.ReleaseOne();
}

void Simulation::FailTransiently() {
  if (rig_.transport.unsettled_count() > 0) ReleaseOne(/*fails=*/true);
}

void Simulation::LoseAck() {
  if (rig_.transport.unsettled_count() == 0 || !doomed_.empty()) return;
  rig_.transport.LoseNextAck();
  rig_.transport.ReleaseOne();
}

void Simulation::Expire() {
  std::set<std::string> late;
  const std::vector<FakeMessage> before = rig_.transport.Unsettled();
  if (rig_.transport.ExpireUntil(rig_.clock.SteadyNow()) == 0) return;
  for (const FakeMessage& message : before) late.insert(message.payload);
  for (const FakeMessage& message : rig_.transport.Unsettled()) late.erase(message.payload);
  for (const FakeMessage& message : before) {
    if (late.count(message.payload) == 0) continue;
    doomed_.erase(message.payload);
    Doom(message.subject);
  }
}

void Simulation::Disconnect() {
  const bool stored = doomed_.empty() && Chance(50);
  rig_.transport.Disconnect(
      "reset", stored ? FakeTransport::Fate::kStored : FakeTransport::Fate::kNotStored);
  doomed_.clear();
}

void Simulation::Purge() {
  absl::StatusOr<std::vector<PendingRecord>> records = rig_.queue.Scan(0, 1000, false);
  ASSERT_TRUE(records.ok());
  std::vector<uint64_t> sequences;
  for (const PendingRecord& record : *records) {
    if (Chance(20)) sequences.push_back(record.sequence);
  }
  ASSERT_TRUE(rig_.queue.Purge(sequences).ok());
}

void Simulation::PassTime() {
  rig_.clock.Advance(absl::Milliseconds(Below(Chance(10) ? 3000 : 100)));
  rig_.dispatcher.Tick();
}

void Simulation::Step() {
  const int step = Below(1000);
  if (step < 250) {
    Publish();
  } else if (step < 450) {
    Acknowledge();
  } else if (step < 600) {
    rig_.queue.Flush();
  } else if (step < 740) {
    rig_.drainer.Step();
  } else if (step < 830) {
    PassTime();
  } else if (step < 890) {
    rig_.transport.Connect();
  } else if (step < 910) {
    Disconnect();
  } else if (step < 925) {
    FailTransiently();
  } else if (step < 940) {
    LoseAck();
  } else if (step < 950) {
    Refuse();
  } else if (step < 960) {
    Expire();
  } else if (step < 965) {
    rig_.queue.FailNextAppend(Chance(50) ? absl::UnavailableError("fsync failed")
                                         : absl::ResourceExhaustedError("disk full"));
  } else if (step < 970) {
    Purge();
  } else if (step < 975) {
    rig_.dispatcher.PauseDelivery();
  } else if (step < 985) {
    rig_.dispatcher.ResumeDelivery();
  } else if (step < 990) {
    rig_.SetFailOpen(Chance(30));
  } else {
    rig_.drainer.RetryNow({HashOrderingKey(absl::StrCat("key-", Below(kKeyCount)))});
  }
  CheckBooks();
}

void Simulation::CheckBooks() {
  const LedgerSnapshot ledger = rig_.ledger();
  ASSERT_EQ(ledger.Unaccounted(), 0);
  ASSERT_EQ(status_.Get().unaccounted, 0);
  ASSERT_EQ(ledger.in_flight_count, rig_.transport.unsettled_count());
  for (const int64_t now :
       {ledger.queued_count, ledger.queued_bytes, ledger.appending_count, ledger.appending_bytes,
        ledger.in_flight_bytes, ledger.redelivering_count, ledger.waiting_count,
        ledger.waiting_bytes}) {
    ASSERT_GE(now, 0);
  }
  unanswered_.erase(std::remove_if(unanswered_.begin(), unanswered_.end(),
                                   [](Call* call) { return call->done(); }),
                    unanswered_.end());
  int64_t unanswered = 0;
  for (Call* call : unanswered_) {
    for (const Operation& operation : call->operations()) {
      if (operation.outcome == Outcome::kUnanswered) ++unanswered;
    }
  }
  const int64_t in_hand = ledger.waiting_count + ledger.appending_count + ledger.in_flight_count -
                          ledger.redelivering_count;
  ASSERT_GE(unanswered, in_hand);
  ASSERT_LE(unanswered, in_hand + replays_) << "an operation is nowhere, and not answered";
}

void Simulation::Heal() {
  rig_.dispatcher.ResumeDelivery();
  rig_.SetFailOpen(false);
  for (int turn = 0; turn < kHealTurnsMax; ++turn) {
    rig_.transport.Connect();
    rig_.queue.Flush();
    rig_.drainer.Step();
    Acknowledge();
    rig_.clock.Advance(absl::Milliseconds(10));
    rig_.dispatcher.Tick();
    CheckBooks();
    if (::testing::Test::HasFatalFailure()) return;
    const LedgerSnapshot ledger = rig_.ledger();
    if (unanswered_.empty() && ledger.queued_count == 0 && ledger.in_flight_count == 0) break;
  }
  rig_.drainer.Step();
  rig_.queue.Flush();
  const LedgerSnapshot ledger = rig_.ledger();
  EXPECT_EQ(ledger.queued_count, 0);
  EXPECT_EQ(ledger.queued_bytes, 0);
  EXPECT_EQ(ledger.waiting_count, 0);
  EXPECT_EQ(ledger.waiting_bytes, 0);
  EXPECT_EQ(ledger.appending_bytes, 0);
  EXPECT_EQ(ledger.in_flight_bytes, 0);
  EXPECT_EQ(rig_.queue.GetStats().count, 0);
  EXPECT_TRUE(unanswered_.empty());
  EXPECT_EQ(static_cast<int64_t>(rig_.observer.answered.size()), operations_);
  CheckStored();
  CheckPromises();
}

// Each message once, and those of a key in the order in which they were published. One that was
// sent again by its caller after it had been refused has its place from then on, and is not looked
// at.
void Simulation::CheckStored() {
  std::map<std::string, uint64_t> last_of_key;
  std::set<std::string> seen;
  for (const std::string& payload : rig_.StoredPayloads()) {
    const Published& message = published_.at(payload);
    // Messages that do not ask for storage are not told apart when they are sent again.
    const bool told_apart =
        message.spec.guarantee == Guarantee::kStored || !message.spec.caller_id.empty();
    const bool first = seen.insert(payload).second;
    EXPECT_TRUE(first || !told_apart) << payload << " is stored twice";
    if (message.replayed || !first) continue;
    uint64_t& last = last_of_key[message.spec.subject];
    EXPECT_LT(last, message.number) << "overtaken: " << payload;
    last = message.number;
  }
}

void Simulation::CheckPromises() {
  const std::vector<std::string> payloads = rig_.StoredPayloads();
  const std::set<std::string> stored(payloads.begin(), payloads.end());
  int64_t delivered = 0;
  std::set<uint64_t> queued_and_gone;
  for (Call& call : rig_.calls()) {
    EXPECT_EQ(call.done_count(), 1);
    for (const Operation& operation : call.operations()) {
      const std::string payload(operation.message.payload);
      if (operation.outcome == Outcome::kDelivered) {
        if (!operation.replayed) ++delivered;
        EXPECT_TRUE(stored.count(payload) > 0) << "told DELIVERED, and is not there: " << payload;
      }
      if (operation.outcome == Outcome::kQueued && stored.count(payload) == 0) {
        queued_and_gone.insert(operation.operation_id);
      }
    }
  }
  const LedgerSnapshot ledger = rig_.ledger();
  EXPECT_EQ(ledger.delivered_direct, delivered);
  EXPECT_EQ(ledger.purged, rig_.observer.purged);
  EXPECT_EQ(ledger.dropped_oldest, rig_.observer.dropped_oldest);
  EXPECT_EQ(ledger.dead_lettered, static_cast<int64_t>(rig_.observer.dead_letters.size()));
  EXPECT_EQ(ledger.delivered_from_queue, rig_.observer.redelivered_confirmed);
  EXPECT_LE(static_cast<int64_t>(queued_and_gone.size()),
            ledger.purged + ledger.dropped_oldest + ledger.dead_lettered)
      << "told QUEUED, and lost";
}

}  // namespace router
