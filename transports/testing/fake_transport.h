#ifndef ROUTER_TRANSPORTS_TESTING_FAKE_TRANSPORT_H_
#define ROUTER_TRANSPORTS_TESTING_FAKE_TRANSPORT_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "transports/inproc/inproc_stream.h"
#include "transports/transport.h"

namespace router {

// Copy of a message that a FakeTransport was handed.
struct FakeMessage {
  std::string subject;
  std::string payload;
  std::string message_id;
  Guarantee guarantee = Guarantee::kStored;
  uint64_t epoch = 0;
};

// A Transport and its broker for unit tests of what uses a transport. Nothing happens by itself:
// the test connects, disconnects and lets deliveries complete, and the observer is called from the
// thread that does so, before the call returns. Publish and Reconnect only take note.
//
//   FakeTransport transport;
//   transport.Start(&dispatcher);
//   transport.Connect();                                            // OnUp(1)
//   dispatcher.Publish(…);
//   transport.FailNext(Verdict::kFailed, FailureReason::kNoResponders);
//   transport.ReleaseOne();                                         // OnSettled
//   transport.Pump();                                               // OnSettled: all the rest
//
// SetAutoThread(true) starts a thread that pumps as soon as there is something to pump and settles
// what is past its deadline, for tests with real threads.
//
// Thread-safe. The calls that call the observer take turns, so none may be made from a callback.
// Aborts when it is used against the rules of Transport: publishing outside an epoch or over
// `max_in_flight`, or an OnDown that does not take what is unsettled.
class FakeTransport final : public Transport {
 public:
  struct Options {
    int64_t max_in_flight = 1024;
    int64_t max_payload_bytes = 1 << 20;
  };

  // What the broker did with messages whose confirmation never arrives.
  enum class Fate { kNotStored, kStored };

  FakeTransport() : FakeTransport(Options()) {}
  explicit FakeTransport(Options options);
  ~FakeTransport() override;

  absl::Status Start(Observer* observer) override;
  void Publish(absl::Span<Delivery* const> deliveries) override;
  void Reconnect() override;  // Carried out by the next Pump, where there is a connection.
  // With completions held and no auto thread it does not wait: nobody could release them.
  void Stop(absl::Duration timeout) override;
  ConnectionStatus GetStatus() const override {
    absl::MutexLock lock(&mutex_);
    return status_;
  }
  int64_t max_payload_bytes() const override { return options_.max_payload_bytes; }
  int64_t max_in_flight() const override { return options_.max_in_flight; }

  // The connection. Each reports its events; no effect before Start, after Stop, or where the state
  // is reached already.
  void Connect();
  void Disconnect(absl::string_view reason = "connection closed", Fate fate = Fate::kNotStored);
  void FailAttempt(absl::string_view reason);  // One attempt that does not connect.
  void Exhaust();

  // Completions happen oldest first, each confirmed unless FailNext or LoseNextAck say otherwise.
  int Pump();         // All, unless held; and what Reconnect asked for. Returns how many.
  bool ReleaseOne();  // The oldest, held or not. False when there is none.
  int ReleaseAll();   // All, held or not, in one OnSettled.
  void HoldCompletions() {
    absl::MutexLock lock(&mutex_);
    held_ = true;
  }
  void ResumeCompletions();
  int ExpireUntil(SteadyTime now);  // Those with a deadline up to `now`: in doubt, timeout.

  // The next completion that is not planned yet ends like this, and is not stored.
  void FailNext(Verdict verdict, FailureReason reason, Refusal refusal = Refusal::kNone);
  // The next completion that is not planned yet is stored, but ends in doubt with a timeout.
  void LoseNextAck();

  void SetAutoThread(bool enabled);

  // In the order of Publish.
  std::vector<FakeMessage> HandedOver() const {
    absl::MutexLock lock(&mutex_);
    return handed_over_;
  }
  // Of them, those that are not settled.
  std::vector<FakeMessage> Unsettled() const;
  // What the broker has, without duplicates.
  std::vector<InprocStoredMessage> Stored() const {
    absl::MutexLock lock(&mutex_);
    return stream_->Messages();
  }
  // Forgets both, as if the broker were set up anew.
  void ForgetHistory();

  int64_t unsettled_count() const {
    absl::MutexLock lock(&mutex_);
    return static_cast<int64_t>(unsettled_.size());
  }
  // By OnSettled.
  int64_t settled_count() const {
    absl::MutexLock lock(&mutex_);
    return settled_count_;
  }
  // Calls of Reconnect.
  int64_t reconnect_count() const {
    absl::MutexLock lock(&mutex_);
    return reconnect_count_;
  }

 private:
  struct InFlight {
    Delivery* delivery;
    bool sent;  // False: handed over after Stop, never to be delivered.
  };
  struct Plan {
    Verdict verdict = Verdict::kConfirmed;
    FailureReason reason = FailureReason::kNone;
    Refusal refusal = Refusal::kNone;
    Fate fate = Fate::kStored;
  };

  void ConnectInTurn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_mutex_);
  void EndEpochInTurn(absl::string_view reason, Fate fate, bool stopping)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_mutex_);
  int ReleaseInTurn(int count_max) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_mutex_);
  int Report(const std::vector<Delivery*>& settled) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_mutex_);
  std::vector<Delivery*> TakeUnsettled(Fate fate);
  void RunAutoThread();
  bool StopAutoThread();  // Whether there was one.
  bool HasSent() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Complete(const InFlight& unsettled, const Plan& plan) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ConnectionEvent BeginAttempt() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EnterState(ConnectionState state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  Observer* observer_ = nullptr;  // Set by Start.

  // Whose turn it is to call the observer. Publish does not need it. Taken before mutex_.
  absl::Mutex turn_mutex_;

  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  std::deque<InFlight> unsettled_ ABSL_GUARDED_BY(mutex_);
  std::deque<Plan> plans_ ABSL_GUARDED_BY(mutex_);
  std::vector<FakeMessage> handed_over_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<InprocStream> stream_ ABSL_GUARDED_BY(mutex_);
  ConnectionStatus status_ ABSL_GUARDED_BY(mutex_);
  absl::optional<SteadyTime> lost_since_ ABSL_GUARDED_BY(mutex_);
  int64_t settled_count_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t reconnect_count_ ABSL_GUARDED_BY(mutex_) = 0;
  bool attempted_ ABSL_GUARDED_BY(mutex_) = false;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;  // Publish is allowed.
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  bool reconnect_requested_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool quit_auto_thread_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread auto_thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_TESTING_FAKE_TRANSPORT_H_
