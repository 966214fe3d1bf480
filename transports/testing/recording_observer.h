#ifndef ROUTER_TRANSPORTS_TESTING_RECORDING_OBSERVER_H_
#define ROUTER_TRANSPORTS_TESTING_RECORDING_OBSERVER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "transports/transport.h"

namespace router {

// A delivery that owns its message.
struct OwnedDelivery {
  std::string subject;
  std::string payload;
  std::string message_id;
  std::vector<Header> headers;  // Of bytes that live as long as the test.
  Delivery delivery;  // Publish fills in what is left open: the subject is the ordering key.
  uint64_t number = 0;  // In the order of Publish, from 1; set by RecordingObserver.
};

// What a transport handed back about one delivery, copied so that the delivery can be destroyed.
struct Outcome {
  std::string message_id;
  Verdict verdict = Verdict::kPending;
  FailureReason reason = FailureReason::kNone;
  Refusal refusal = Refusal::kNone;
  std::string stream;
  uint64_t sequence = 0;
  bool duplicate = false;
  bool possible_duplicate = false;
  std::string error;
  uint64_t epoch = 0;        // That was open, or has just ended.
  bool handed_back = false;  // By OnDown, else by OnSettled.
  SteadyTime time;
};

// Owner of deliveries and observer of a transport that writes down everything it is told. It
// destroys each delivery as soon as it is settled, so that a transport which touches one afterwards
// is caught by AddressSanitizer, and notes every rule of Transport that it sees broken.
// Thread-safe.
class RecordingObserver final : public Transport::Observer {
 public:
  // Hands `deliveries` over if the epoch is open, as one batch, under the lock that every callback
  // needs too: a transport that calls back from Publish never returns. False when it is not open;
  // the deliveries are dropped then.
  bool Publish(Transport* transport, std::vector<std::unique_ptr<OwnedDelivery>> deliveries);

  void OnUp(uint64_t epoch) override;
  void OnDown(absl::FunctionRef<std::vector<Delivery*>()> take_unsettled) override;
  void OnSettled(absl::Span<Delivery* const> deliveries) override;
  void OnConnectionEvent(const ConnectionEvent& event) override;

  // Everything so far. Steps are "up", "down", "settled" (the first of an epoch) and the kinds of
  // events: "established", "lost", "reconnect_attempt", "attempt_failed", "exhausted", "restored".
  std::vector<Outcome> Outcomes() const;
  std::vector<ConnectionEvent> Events() const;
  std::vector<std::string> Steps() const;
  int64_t unsettled_count() const;
  uint64_t open_epoch() const;  // 0: none.
  int up_count() const;
  int down_count() const;
  std::vector<std::string> BrokenRules() const;

  // Waits until `done` holds, which is asked again after each callback; false past the time limit.
  bool WaitUntil(const std::function<bool()>& done, absl::Duration limit = absl::Seconds(20)) const;
  bool WaitForOutcomes(size_t count) const;
  bool WaitForEpoch(uint64_t epoch) const;  // Open.
  bool WaitForDowns(int count) const;

 private:
  // One callback: takes the lock, and notices a second one beside it or inside Publish.
  class Callback;

  // Returns the number of the delivery, 0 for one that was not handed over or settled before.
  uint64_t Settle(Delivery* delivery, bool handed_back) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CheckOutcome(const Outcome& outcome, Guarantee guarantee)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Note(std::string step) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BreakRule(absl::string_view rule) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<int> callbacks_running_{0};
  mutable absl::Mutex mutex_;
  mutable absl::CondVar changed_;
  absl::flat_hash_map<const Delivery*, std::unique_ptr<OwnedDelivery>> unsettled_
      ABSL_GUARDED_BY(mutex_);
  uint64_t failures_ ABSL_GUARDED_BY(mutex_) = 0;  // See Delivery::failures_known.
  uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t changes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Outcome> outcomes_ ABSL_GUARDED_BY(mutex_);
  std::vector<ConnectionEvent> events_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> steps_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> broken_rules_ ABSL_GUARDED_BY(mutex_);
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  int up_count_ ABSL_GUARDED_BY(mutex_) = 0;
  int down_count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_TESTING_RECORDING_OBSERVER_H_
