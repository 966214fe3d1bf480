// Dispatcher makes the one decision about every publish: deliver it, queue it, drop it or reject
// it.
//
// All of that is decided under one short lock, and nothing else in the router decides about order:
//
//   * a message whose ordering key has a backlog goes behind it, into the queue;
//   * what goes into the queue waits until everything older of its key has left the direct path,
//   since
//     that may have to be queued before it;
//   * otherwise, while the broker is connected, it goes to the transport, or waits for room in the
//     transport's window, first come, first served;
//   * otherwise it is queued, or, in fail-open mode, dropped;
//   * when a connection dies, everything unconfirmed goes to the queue in the order in which it was
//     sent, before anything newer.
//
// A key returns to the direct path when its last queued message is confirmed.
#ifndef ROUTER_SERVER_DISPATCHER_DISPATCHER_H_
#define ROUTER_SERVER_DISPATCHER_DISPATCHER_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/base/operation.h"
#include "server/dispatcher/key_counters.h"
#include "server/dispatcher/ledger.h"
#include "server/dispatcher/publish_observer.h"
#include "server/dispatcher/recent_messages.h"
#include "server/mode/mode_controller.h"
#include "server/pending/pending_queue.h"
#include "transports/transport.h"

namespace router {

// What happens to a message that has to be queued while the queue is full.
enum class FullPolicy {
  kReject,      // RESOURCE_EXHAUSTED.
  kDropOldest,  // The oldest queued message makes room, counted and logged.
  kBlock,       // The caller waits for room until its deadline.
};

struct DispatcherOptions {
  int64_t queue_count_max = 1000000;
  int64_t queue_bytes_max = int64_t{10} << 30;  // Dead letters included.
  FullPolicy full_policy = FullPolicy::kReject;
  bool keep_dropped = false;  // Those that kDropOldest drops become dead letters.
  int64_t in_flight_bytes_max = int64_t{64} << 20;  // Handed to the transport and not settled.
  int64_t waiting_bytes_max = int64_t{64} << 20;    // Waiting for room, in memory.
  absl::Duration ack_timeout = absl::Seconds(2);  // Longest attempt to deliver on the direct path.
  RecentMessages::Options recent;
};

// Who delivers from the queue. Told, with no lock held, what became of what it handed over.
class RedeliveryObserver {
 public:
  virtual ~RedeliveryObserver() = default;

  // These are settled; they are the drainer's again. Confirmed ones have left the books already and
  // have to be removed from the queue.
  virtual void OnRedelivered(absl::Span<Operation* const> operations) = 0;

  // The connection ended; these came back, in the order handed over.
  virtual void OnConnectionEnded(absl::Span<Operation* const> operations) = 0;

  // There may be something to deliver now: connected, resumed, or newly queued.
  virtual void OnDeliverable() = 0;
};

// Thread-safe. Borrows everything it is given; all of it must outlive the dispatcher.
class Dispatcher final : public Transport::Observer, public PendingQueue::Observer {
 public:
  Dispatcher(const DispatcherOptions& options, Clock* clock, ModeController* mode,
             Transport* transport, PendingQueue* queue, PublishObserver* observer);

  // Opens the queue and takes its backlog into the books. Call once, before Start.
  absl::Status OpenQueue();
  // Starts the transport. `redelivery` is told of everything from now on.
  absl::Status Start(RedeliveryObserver* redelivery);

  // Decides about every operation of the batches that has no outcome yet, in order. Never blocks; a
  // batch's `Done` is called once all of its operations have one, possibly before this returns. The
  // messages are validated, with message ids, ordering keys and sizes set.
  void Publish(absl::Span<PublishBatch* const> batches);
  void Publish(PublishBatch* batch) { Publish(absl::MakeConstSpan(&batch, 1)); }

  // For the drainer: hands queued operations to the transport, in order. False, and nothing is
  // handed over, when `epoch` is not the present connection, delivery is paused, the window lacks
  // the room, or one of their keys has a failure among those that the drainer does not know of: it
  // knows of the first `failures` redelivered operations that are TriedAgain.
  bool Redeliver(absl::Span<Operation* const> operations, uint64_t epoch, uint64_t failures);
  // The present connection, 0 while there is none. When it returns n, the drainer has been told of
  // the end of every connection before n.
  uint64_t epoch() const;
  // Room for redelivery in the window now: a share of it is kept for live traffic.
  int64_t RedeliveryRoom() const;

  // Stops sending: what is published is queued, and the drainer rests. False if that was so
  // already.
  bool PauseDelivery();
  bool ResumeDelivery();

  // From now on every publish is rejected with DRAINING, and so is what waits for room in the
  // queue; the rest of what is in hand is finished.
  void StopAccepting();

  // Housekeeping: callers whose time is up while they wait for room. Call every few ten ms.
  void Tick();

  // The books and the gauges, all of one moment.
  LedgerSnapshot GetLedger() const;

  // Transport::Observer
  void OnUp(uint64_t epoch) override;
  void OnDown(absl::FunctionRef<std::vector<Delivery*>()> take_unsettled) override;
  void OnSettled(absl::Span<Delivery* const> deliveries) override;
  void OnConnectionEvent(const ConnectionEvent& event) override;

  // PendingQueue::Observer
  void OnAppended(absl::Span<Operation* const> operations, const absl::Status& status) override;
  void OnRemoved(absl::Span<const RemovedRecord> records, RemovalCause cause) override;
  void OnRedriven(absl::Span<const RemovedRecord> records) override;
  void OnDeadLettersRemoved(absl::Span<const RemovedRecord> records, RemovalCause cause) override;

 private:
  // What one pass under the lock leaves to be done: hand-overs in order, then, unlocked, answers.
  struct Work {
    absl::InlinedVector<Delivery*, 8> to_transport;
    absl::InlinedVector<Operation*, 8> to_queue;
    absl::InlinedVector<Operation*, 8> answered;
    std::vector<Operation*>
        to_route;  // Waited for another with their id; decided about at the end.
    std::vector<uint64_t> freed_slots;  // Of keys with held messages and no older ones any more.
  };

  void RouteAll(PublishBatch* batch, SteadyTime now, Work* work)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Route(Operation* operation, SteadyTime now, Work* work)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool AnswerFromMemory(Operation* operation, SteadyTime now, Work* work)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Deliver(Operation* operation, Work* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WaitForWindow(Operation* operation, Work* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void KeepOrDrop(Operation* operation, SteadyTime now, Work* work)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Enqueue(Operation* operation, SteadyTime now, Work* work)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Append(Operation* operation, Work* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Answer(Operation* operation, Outcome outcome, absl::Status status, Work* work)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AnswerWaitingForSameId(const Operation& operation, Work* work)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StartWaiting(const Operation& operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StopWaiting(const Operation& operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MustHold(const Operation& operation) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Hold(Operation* operation, Work* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LeaveDirectPath(const Operation& operation, Work* work)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void QueueHeld(SteadyTime now, Work* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RejectLateHeld(SteadyTime now, Work* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SettleDirect(Operation* operation, SteadyTime now, Work* work)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SettleRedelivered(Operation* operation, Work* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<Operation*> LeaveWindow(absl::Span<Delivery* const> deliveries, Work* work)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AdmitWaiting(SteadyTime now, Work* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FlushWindowWaiting(SteadyTime now, Work* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void HandOver(Work* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MayOvertake(absl::Span<Operation* const> operations, uint64_t failures)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool WindowHasRoom(int64_t size_bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool QueueHasRoom(int64_t size_bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Tells callers and the observer. No lock held; operations may be gone afterwards.
  void Finish(absl::Span<Operation* const> answered) ABSL_LOCKS_EXCLUDED(mutex_);

  const DispatcherOptions options_;
  const int64_t in_flight_max_;
  Clock* const clock_;
  ModeController* const mode_;
  Transport* const transport_;
  PendingQueue* const queue_;
  PublishObserver* const observer_;
  RedeliveryObserver* redelivery_ = nullptr;  // Set by Start, before any callback.

  mutable absl::Mutex mutex_;
  bool up_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  bool accepting_ ABSL_GUARDED_BY(mutex_) = true;
  uint64_t last_order_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t failures_ ABSL_GUARDED_BY(mutex_) = 0;  // Settled ones that are TriedAgain, of all time.
  // Those of them that came from the queue: how many, and the keys of the last of them, as far as
  // the drainer may not know of them.
  uint64_t redelivery_failures_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<uint64_t> failed_keys_ ABSL_GUARDED_BY(mutex_);
  KeyCounters backlog_ ABSL_GUARDED_BY(mutex_);  // Queued, on the way there, or waiting to be.
  KeyCounters direct_
      ABSL_GUARDED_BY(mutex_);  // In the window, or waiting for it; not from the queue.
  RecentMessages recent_ ABSL_GUARDED_BY(mutex_);
  Ledger ledger_ ABSL_GUARDED_BY(mutex_);
  std::deque<Operation*> waiting_for_window_ ABSL_GUARDED_BY(mutex_);
  std::deque<Operation*> waiting_for_queue_ ABSL_GUARDED_BY(mutex_);  // Policy kBlock.
  // To be queued once the slot of their key in `direct_` is empty; in no order.
  absl::flat_hash_map<uint64_t, std::vector<Operation*>> held_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace router

#endif  // ROUTER_SERVER_DISPATCHER_DISPATCHER_H_
