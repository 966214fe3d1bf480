// The heart of a router on fakes, for tests: dispatcher and drainer with a fake broker, a queue in
// memory and a clock that stands still. Nothing happens by itself.
//
//   RouterRig rig;
//   rig.transport.Connect();
//   Call& call = rig.Publish({});
//   rig.transport.Pump();                    // The broker confirms.
//   EXPECT_EQ(call.outcome(), Outcome::kDelivered);
#ifndef ROUTER_TESTS_SERVER_DISPATCHER_ROUTER_RIG_H_
#define ROUTER_TESTS_SERVER_DISPATCHER_ROUTER_RIG_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/base/operation.h"
#include "server/dispatcher/dispatcher.h"
#include "server/dispatcher/publish_observer.h"
#include "server/drainer/drainer.h"
#include "server/mode/mode_controller.h"
#include "server/pending/memory_pending_queue.h"
#include "tests/server/base/fake_clock.h"
#include "tests/server/pending/pending_testing.h"
#include "transports/testing/fake_transport.h"

namespace router {

// What a test says about a message.
struct MessageSpec {
  std::string subject = "orders.eu";
  std::string payload = "";
  std::string caller_id = "";     // Empty: the rig makes one, as the service would.
  std::string ordering_key = "";  // Empty: the subject.
  Guarantee guarantee = Guarantee::kStored;
  absl::Duration ttl = absl::InfiniteDuration();
  std::vector<Header> headers = {};  // Of constants.
  bool valid = true;                 // False: refused by validation before it got here.
};

// A caller with its batch, and what it was told.
class Call final : public PublishBatch {
 public:
  Call(const std::vector<MessageSpec>& specs, FakeClock* clock, int* next_id);

  int done_count() const { return done_count_; }
  bool done() const { return done_count_ > 0; }
  const Operation& operation(size_t index = 0) { return operations()[index]; }
  // kUnanswered until the whole call is answered.
  Outcome outcome(size_t index = 0);
  std::string reason(size_t index = 0);  // Of the error.

 protected:
  void Done() override { ++done_count_; }

 private:
  const std::vector<MessageSpec> specs_;
  std::vector<std::string> ids_;
  int done_count_ = 0;
};

// Remembers what observers are told.
class RecordingPublishObserver : public PublishObserver, public DrainObserver {
 public:
  struct DeadLetter {
    uint64_t operation_id;
    DeadLetterReason reason;
  };
  struct Run {
    int64_t pending = 0;
    int64_t succeeded = -1;  // -1: not ended yet.
    int64_t failed = -1;
    absl::Duration duration = absl::ZeroDuration();
  };

  void OnPublish(absl::Span<const Operation> operations) override;
  void OnAnswered(absl::Span<Operation* const> operations) override;
  void OnRedelivered(absl::Span<Operation* const> operations) override;
  void OnRemoved(int64_t count, RemovalCause cause) override;
  void OnConnectionEvent(const ConnectionEvent& event) override { events.push_back(event.kind); }
  void OnDrainStarted(int64_t pending_count) override { runs.push_back({pending_count}); }
  void OnDeadLetter(const DeadLetterVerdict& verdict) override {
    dead_letters.push_back({verdict.sequence, verdict.reason});
  }
  void OnDrainEnded(int64_t succeeded, int64_t failed, absl::Duration duration) override;

  int64_t asked = 0;
  std::vector<Outcome> answered;
  int64_t redelivered = 0;
  int64_t redelivered_confirmed = 0;
  int64_t purged = 0;
  int64_t dropped_oldest = 0;
  int64_t dropped_and_kept = 0;
  std::vector<ConnectionEvent::Kind> events;
  std::vector<DeadLetter> dead_letters;
  std::vector<Run> runs;
};

struct RigOptions {
  DispatcherOptions dispatcher;
  DrainerOptions drainer;
  FakeTransport::Options transport;
  bool fail_open = false;
  MemoryPendingQueue::Contents* contents = nullptr;  // What an earlier rig left in the queue.
  PublishObserver* publish_observer = nullptr;       // Null: the rig's own.
  DrainObserver* drain_observer = nullptr;
};

class RouterRig {
 public:
  explicit RouterRig(const RigOptions& options = RigOptions());
  ~RouterRig();

  // The call stays valid as long as the rig.
  Call& Publish(const MessageSpec& spec, absl::Duration timeout = absl::InfiniteDuration()) {
    return PublishBatch({spec}, timeout);
  }
  Call& PublishBatch(const std::vector<MessageSpec>& specs,
                     absl::Duration timeout = absl::InfiniteDuration());
  // Several calls that the dispatcher is handed together.
  std::vector<Call*> PublishTogether(const std::vector<MessageSpec>& specs);
  // Published while the broker is away: told QUEUED.
  Call& Queue(const MessageSpec& spec);

  void SetFailOpen(bool enabled);
  // One turn of everything: commits, a round of the drainer, the broker's answers.
  void Turn();
  // Turns, and lets time pass, until the queue is empty. False where it never gets empty.
  bool Drain();

  LedgerSnapshot ledger() { return dispatcher.GetLedger(); }
  std::vector<std::string> StoredPayloads() const;
  std::vector<std::string> QueuedPayloads();
  std::deque<Call>& calls() { return calls_; }

  FakeClock clock;
  TemporaryFolder folder;
  RecordingPublishObserver observer;
  std::unique_ptr<ModeController> mode;
  FakeTransport transport;
  MemoryPendingQueue queue;
  Dispatcher dispatcher;
  Drainer drainer;

 private:
  std::deque<Call> calls_;
  int next_id_ = 0;
};

}  // namespace router

#endif  // ROUTER_TESTS_SERVER_DISPATCHER_ROUTER_RIG_H_
