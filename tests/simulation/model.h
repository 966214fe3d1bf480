// The model: what a router has promised so far, and what must be true because of it. It watches
// everything that goes in and out of the parts of a simulated router and compares it with the
// promises of docs/outcomes.md, the limits, and the router's own books.
#ifndef ROUTER_TESTS_SIMULATION_MODEL_H_
#define ROUTER_TESTS_SIMULATION_MODEL_H_

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/dispatcher/ledger.h"
#include "server/dispatcher/publish_observer.h"
#include "server/drainer/drainer.h"
#include "server/status/router_status.h"
#include "tests/server/base/fake_clock.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/sim_broker.h"
#include "tests/simulation/sim_message.h"
#include "tests/simulation/sim_queue.h"
#include "tests/simulation/sim_transport.h"
#include "tests/simulation/trace.h"

namespace router {

// For one thread. Survives the routers of a run; each of them is a *life*. The first promise that
// is broken is kept as `failure`, and nothing is checked after it.
class Model final : public SimBroker::Observer,
                    public SimTransport::Watcher,
                    public SimQueue::Watcher,
                    public PublishObserver,
                    public DrainObserver {
 public:
  // The parts of the present life that the model looks at.
  struct Life {
    const SimQueue::Contents* contents = nullptr;
    const SimTransport* transport = nullptr;
    const Dispatcher* dispatcher = nullptr;
    const StatusReporter* status = nullptr;
    const ModeController* mode = nullptr;
  };

  Model(const RunOptions& options, FakeClock* clock, SimMessages* messages, Trace* trace);

  const std::string& failure() const { return failure_; }
  bool failed() const { return !failure_.empty(); }
  void Fail(absl::string_view what);

  // A router has opened on what `life.contents` holds.
  void BeginLife(const Life& life);
  // It is gone, and its callers never hear of what they have not heard by now.
  void EndLife();

  // Before and after every step.
  void BeginStep();
  void CheckStep();
  // Once every fault has ended and everything is delivered.
  void CheckHealed();

  // What the operator and the callers do.
  void OnPublishing(PublishBatch* batch);
  void OnPublished(PublishBatch* batch);
  void OnModeSet(bool enabled, absl::Time expire_time);
  void OnModeTick();
  void set_paused(bool paused) { paused_ = paused; }
  void set_draining() { draining_ = true; }
  // An operator is told of an error.
  void OnError(const absl::Status& status);
  void set_purging(bool purging) { purging_ = purging; }

  int64_t unanswered() const { return unanswered_; }
  // Whether the queue holds nothing that has to be delivered, or removed.
  bool queue_is_empty() const { return records_.empty(); }
  // How often a record was claimed as one that may have been sent, and how often of those it
  // surely was not.
  int64_t claimed_in_doubt() const { return claimed_in_doubt_; }
  int64_t claimed_in_needless_doubt() const { return claimed_in_needless_doubt_; }
  // Whether a key waits for the next attempt with its head, as far as the model can tell.
  bool HasBlockedHead(const Drainer& drainer) const;

  // SimBroker::Observer
  void OnStored(SimMessage* message) override;
  // SimTransport::Watcher
  void OnHandedOver(const Operation& operation, SimMessage* message) override;
  void OnSettling(const Operation& operation) override;
  void OnSettled(absl::Span<const Operation* const> direct) override;
  void OnRuleBroken(absl::string_view rule) override { Fail(rule); }
  // SimQueue::Watcher
  void OnAppending(absl::Span<Operation* const> operations) override;
  void OnCommitted(absl::Span<Operation* const> operations, const absl::Status& status) override;
  void OnRemoving(absl::Span<const uint64_t> sequences) override;
  void OnClaimed(uint64_t sequence, absl::Time first_sent_time) override;
  void OnReleasing(absl::Span<const uint64_t> sequences) override;
  void OnDeadLettering(uint64_t sequence, const DeadLetterReason& reason) override;
  void OnGone(absl::Span<const RemovedRecord> records, RemovalCause cause) override;
  void OnRedriving(absl::Span<const uint64_t> sequences) override;
  void OnRedriven(absl::Span<const RemovedRecord> records) override;
  void OnDeadLettersGone(absl::Span<const RemovedRecord> records) override;
  bool OnRefused() override;
  // PublishObserver
  void OnPublish(absl::Span<const Operation>) override {}
  void OnAnswered(absl::Span<Operation* const> operations) override;
  void OnRedelivered(absl::Span<Operation* const>) override {}
  void OnRemoved(int64_t, RemovalCause) override {}
  void OnConnectionEvent(const ConnectionEvent&) override {}
  // DrainObserver
  void OnDrainStarted(int64_t) override {}
  void OnDeadLetter(const DeadLetterVerdict&) override {}
  void OnDrainEnded(int64_t, int64_t, absl::Duration) override {}

 private:
  // A record of the queue, from its commit to that of its removal.
  struct Record {
    SimMessage* message = nullptr;
    absl::Time expire_time;
    int64_t size_bytes = 0;
    bool claimed = false;
    bool confirmed = false;  // By the broker, in this life.
    bool removing = false;
    absl::Time accept_time;
    absl::Time attempt_time;  // When it was last sent from the queue.
    // When it was first sent from the queue in this life, and when it was first sent in an attempt
    // after which the broker may have it; InfiniteFuture: never.
    absl::Time sent_time = absl::InfiniteFuture();
    absl::Time in_doubt_since = absl::InfiniteFuture();
    Verdict last_verdict = Verdict::kPending;
    Refusal last_refusal = Refusal::kNone;
  };
  // What this life's ledger has to say.
  struct Books {
    int64_t accepted = 0;
    int64_t delivered_direct = 0;
    int64_t delivered_duplicate = 0;  // Of those.
    int64_t told_queued = 0;
    int64_t dropped_fail_open = 0;
    int64_t rejected = 0;
    int64_t recovered = 0;
    int64_t delivered_from_queue = 0;
    int64_t purged = 0;
    int64_t dropped_oldest = 0;
    int64_t dropped_and_kept = 0;
    int64_t dead_lettered = 0;
    int64_t recovered_dead_letters = 0;
    int64_t redriven = 0;
    int64_t purged_dead_letters = 0;
    int64_t dead_letter_bytes = 0;
    int64_t queued_count = 0;
    int64_t queued_bytes = 0;
    int64_t appending_count = 0;
    int64_t appending_bytes = 0;
  };

  void SetModeEnd();
  bool mode_is_on() const { return mode_shown_; }
  void CheckAnswer(const Operation& operation, SimMessage* message);
  void CheckReplay(const Operation& operation, const SimMessage& message);
  void CheckDelivered(const Operation& operation, const SimMessage& message);
  void CheckQueued(const Operation& operation, const SimMessage& message);
  void CheckDropped(const Operation& operation);
  void CheckRejected(const Operation& operation, const SimMessage& message);
  bool QueueWasFull(int64_t size_bytes) const;
  bool WaitingWasFull(int64_t size_bytes) const;
  void CountAnswer(const Operation& operation);
  void AddUnanswered(SimMessage* message);
  void RemoveUnanswered(SimMessage* message);
  void CheckSentTime(const Record& record, absl::Time known);
  void Leave(std::map<uint64_t, Record>::iterator record);
  LedgerSnapshot ReadLedger() const;

  void CheckBooks(const LedgerSnapshot& ledger);
  void CheckLimits(const LedgerSnapshot& ledger);
  void CheckQueue(const SimQueue::Contents& contents);
  void CheckDeadLetters(const SimQueue::Contents& contents);
  void CheckOrder();
  void Expect(bool holds, absl::string_view what) {
    if (!holds) Fail(what);
  }
  void ExpectEqual(int64_t actual, int64_t expected, absl::string_view what);

  const RunOptions options_;
  FakeClock* const clock_;
  SimMessages* const messages_;
  Trace* const trace_;
  std::string failure_;

  // Of the present life.
  Life life_;
  bool watching_ = false;  // False between two lives.
  bool draining_ = false;
  bool paused_ = false;
  bool purging_ = false;
  Books books_;
  int64_t queue_count_limit_ = 0;  // What was recovered may be more than the setting.
  int64_t queue_bytes_limit_ = 0;
  int64_t unanswered_ = 0;
  int64_t waiting_for_same_id_ = 0;

  // Of the whole run.
  bool mode_on_ = false;     // As on disk.
  bool mode_shown_ = false;  // As of the last tick.
  absl::Time mode_expire_time_ = absl::InfiniteFuture();
  SteadyTime mode_end_ = SteadyTime::max();
  int64_t publishes_ = 0;
  std::map<uint64_t, Record> records_;
  std::map<uint64_t, Record> dead_letters_;
  std::vector<Record> redriving_;
  SteadyTime refused_;    // When the disk last refused something.
  SteadyTime head_gone_;  // When one was last taken away that had been tried before.
  std::unordered_map<uint64_t, std::vector<SimMessage*>>
      streams_;  // By key: first stored, in order.
  // Stored in the wrong order, if both turn out to be accepted: the one that should be first,
  // first.
  std::vector<std::pair<SimMessage*, SimMessage*>> suspects_;

  int64_t claimed_in_doubt_ = 0;
  int64_t claimed_in_needless_doubt_ = 0;
  // Not settled, or not in the queue yet: when they were sent, by those that were sent directly.
  absl::flat_hash_map<const Operation*, absl::Time> sent_directly_;

  // Of the present step.
  LedgerSnapshot before_;
  int refusals_ = 0;  // Of the disk.
  int64_t appended_count_ = 0;
  int64_t appended_bytes_ = 0;
  int64_t published_bytes_ = 0;
  uint64_t last_dropped_ = 0;  // To make room.
  bool queue_changed_ = false;
  std::vector<const Operation*> failed_appends_;
  std::vector<const Operation*> must_conflict_;  // Their id belongs to another message.
  std::vector<const Operation*> must_replay_;    // The same message is in the queue.
};

}  // namespace router

#endif  // ROUTER_TESTS_SIMULATION_MODEL_H_
