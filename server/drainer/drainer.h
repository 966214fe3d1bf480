// Drainer delivers the pending queue: it alone hands queued operations to the transport, and it
// alone removes them once the broker has confirmed them.
//
// It walks the queue from its head with a cursor, many operations in flight at a time. An operation
// that fails while the connection stays up blocks its own ordering key only: the key's head is
// tried again alone, with growing delays, and the key's other operations wait behind it; the cursor
// passes them over and comes back once the head is through. What can never be delivered, has failed
// too often or has expired becomes a dead letter, and its key goes on; what expires is found while
// the broker is away and behind blocked heads too. When the connection ends, everything in flight
// stays in the queue and the walk starts again from there.
#ifndef ROUTER_SERVER_DRAINER_DRAINER_H_
#define ROUTER_SERVER_DRAINER_DRAINER_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/base/operation.h"
#include "server/dispatcher/dispatcher.h"
#include "server/drainer/drain_rate.h"
#include "server/pending/pending_queue.h"

namespace router {

struct DrainerOptions {
  absl::Duration ack_timeout = absl::Seconds(2);         // Longest single attempt.
  absl::Duration retry_delay = absl::Milliseconds(100);  // First delay of a key's head; doubles.
  absl::Duration retry_delay_max = absl::Seconds(5);
  int64_t claim_count_max = 1024;  // Read from the queue at a time.
  int64_t claim_bytes_max = int64_t{4} << 20;
  int no_stream_attempts_max = 8;  // Before "no stream takes the subject" is believed; about 11 s.
  size_t blocked_keys_max = 4096;  // Beyond it the cursor rests.
  int attempts_max = 0;  // Failed attempts after which a message is a dead letter; 0: no limit.
};

// What logs are told of the drainer's work. Called from its thread.
class DrainObserver {
 public:
  virtual ~DrainObserver() = default;
  virtual void OnDrainStarted(int64_t pending_count) = 0;
  virtual void OnDeadLetter(const DeadLetterVerdict& verdict) = 0;
  // Everything was delivered, or the connection ended.
  virtual void OnDrainEnded(int64_t succeeded, int64_t failed, absl::Duration duration) = 0;
};

// Thread-safe but for Start, Step and Stop. Borrows everything it is given.
class Drainer final : public RedeliveryObserver {
 public:
  struct Attempts {
    int count = 0;
    std::string last_error;
    std::string first_error;
    bool blocks_key = false;  // False: a connection has ended since, and it starts over.
  };

  Drainer(const DrainerOptions& options, Clock* clock, Dispatcher* dispatcher, PendingQueue* queue,
          DrainObserver* observer);
  ~Drainer() override;

  // Runs Step on a thread of its own until Stop.
  void Start();

  // Ends the thread. Call before Transport::Stop, and SettleRest after it, so that what was
  // confirmed at the last moment still leaves the queue.
  void Stop();
  void SettleRest();

  // One round: settles what came back, retries what is due, hands over what there is room for.
  // Returns when it wants to be called again if nothing happens before. For tests and simulations
  // that have no thread.
  SteadyTime Step();

  // DrainerOptions::attempts_max from now on, for what fails from now on.
  void SetAttemptsMax(int attempts_max) { attempts_max_ = attempts_max; }

  // Ends the delays of these keys.
  void RetryNow(absl::Span<const uint64_t> key_hashes);

  // Failed attempts of an operation that is the blocked head of its key, those that ended with the
  // connection not counted; absent for all others.
  absl::optional<Attempts> FindAttempts(uint64_t operation_id) const;

  double RatePerSecond() const { return rate_.PerSecond(clock_->SteadyNow()); }

  // RedeliveryObserver
  void OnRedelivered(absl::Span<Operation* const> operations) override;
  void OnConnectionEnded(absl::Span<Operation* const> operations) override;
  void OnDeliverable() override;

 private:
  // An operation read back from the queue, with the bytes it points into.
  struct Redelivery : Operation {
    PendingRecord record;
    std::vector<Header> headers;
    bool first_of_key = false;  // Nothing older of its key was in flight when it was handed over.
    absl::Time sent_time;       // Not later than it was handed to the broker.
  };
  static constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();

  // A key with operations in flight, or with a head that has to be retried.
  struct Key {
    int64_t in_flight = 0;
    uint64_t blocked_at = 0;  // The head's sequence; 0: not blocked.
    int attempts = 0;
    SteadyTime retry_at;
  };
  struct Inbox {
    std::vector<Operation*> settled;
    std::vector<uint64_t> retry_keys;
    bool connection_ended = false;
  };
  // Sequences to be told to the queue at the end of a round.
  struct Verdicts {
    std::vector<uint64_t> release;
    std::vector<std::pair<uint64_t, absl::Time>> in_doubt;  // With the time of their sending.
    std::vector<DeadLetterVerdict> expired;
    std::vector<DeadLetterVerdict> dead;  // Those that were tried in vain.
    std::vector<uint64_t> dead_keys;      // Their keys, as hashes.

    void AddDead(DeadLetterVerdict verdict, uint64_t key_hash) {
      dead.push_back(std::move(verdict));
      dead_keys.push_back(key_hash);
    }
  };

  void Run();
  Inbox TakeInbox();
  void SettleInbox(SteadyTime now);
  SteadyTime NextWake(SteadyTime now) const;
  void RemoveDelivered(SteadyTime now);
  void Settle(Redelivery* redelivery, bool connection_ended, SteadyTime now, Verdicts* verdicts);
  bool MayStillBeTaken(const Redelivery& redelivery, int attempts) const;
  static bool IsAttempt(const Redelivery& redelivery);
  bool TooManyAttempts(const Redelivery& redelivery, bool connection_ended) const;
  DeadLetterVerdict DeadLetterOf(const Redelivery& redelivery, absl::string_view label) const;
  DeadLetterVerdict ExpiredVerdict(uint64_t sequence) const;
  void SweepExpired(SteadyTime now);
  void KeepForLater(Key* key, const Redelivery& redelivery, bool connection_ended, SteadyTime now,
                    Verdicts* verdicts);
  bool Block(Key* key, uint64_t sequence, SteadyTime now);  // Whether it is the head now.
  void BlockUntried(Key* key, const PendingRecord& record, SteadyTime now);
  void Unblock(Key* key);
  void ForgetBlocks();
  void Apply(const Verdicts& verdicts, SteadyTime now);
  bool MoveToDeadLetters(const std::vector<DeadLetterVerdict>& verdicts);
  void KeepDeadLetter(const DeadLetterVerdict& verdict, uint64_t key_hash, SteadyTime now);
  void KeepExpired(uint64_t sequence);
  void RetryBlockedHeads(SteadyTime now);
  void Advance(SteadyTime now);
  std::unique_ptr<Redelivery> MakeRedelivery(PendingRecord record, SteadyTime now) const;
  bool HandOver(std::vector<std::unique_ptr<Redelivery>> redeliveries);
  void Rewind(uint64_t sequence);
  void BeginRun(SteadyTime now);
  void EndRun(SteadyTime now);
  Attempts AttemptsOf(uint64_t sequence) const;
  void RememberAttempt(const Redelivery& redelivery);
  void ForgetAttempts(uint64_t sequence);
  void KeepAttemptsOfHeads();

  const DrainerOptions options_;
  std::atomic<int> attempts_max_;
  Clock* const clock_;
  Dispatcher* const dispatcher_;
  PendingQueue* const queue_;
  DrainObserver* const observer_;
  std::thread thread_;
  DrainRate rate_;

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  Inbox inbox_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, Attempts> attempts_ ABSL_GUARDED_BY(mutex_);

  // Of the thread that calls Step.
  absl::flat_hash_map<uint64_t, Key> keys_;
  size_t blocked_keys_ = 0;
  uint64_t epoch_ = 0;     // The connection that this round may hand over to.
  uint64_t failures_ = 0;  // Settled ones that are TriedAgain, of all time.
  uint64_t cursor_ = 0;    // Everything up to it has been looked at.
  int64_t in_flight_ = 0;
  std::vector<uint64_t> delivered_;  // Confirmed, to be removed with the next batch.
  SteadyTime removed_at_;
  // Of those that have expired and that the disk did not take as dead letters, since the last
  // sweep.
  uint64_t first_kept_expired_ = kNone;
  SteadyTime next_sweep_ = SteadyTime::min();  // When to look for what has expired.
  bool running_ = false;
  SteadyTime run_started_;
  int64_t run_succeeded_ = 0;
  int64_t run_failed_ = 0;
};

}  // namespace router

#endif  // ROUTER_SERVER_DRAINER_DRAINER_H_
