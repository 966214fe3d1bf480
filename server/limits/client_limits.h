#ifndef ROUTER_SERVER_LIMITS_CLIENT_LIMITS_H_
#define ROUTER_SERVER_LIMITS_CLIENT_LIMITS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "server/base/clock.h"
#include "server/log/logger.h"
#include "server/metrics/counter.h"
#include "server/metrics/metrics.h"

namespace router {

// Keeps one client from taking what is there for all: how many messages and bytes it may have in
// hand, which is published and its answer not taken, how many of those may be on their way at a
// time while other clients publish too, and how many messages per second it may publish. A client
// is an identity, or, where there is no access control, an address.
//
// What is on its way is little, so that a message never has much before it, whatever other clients
// do, and is shared evenly between those that publish; one that is alone may have eight times as
// much. The rest of what a client has in hand waits for its turn, first come, first served.
//
// Whoever has nothing in hand may always publish one call's messages, however large, so that no
// call is too large for ever. Thread-safe. Borrows the others.
class ClientLimits {
 public:
  struct Limits {
    // In hand. Of all clients together: who has less than an even part may exceed it, until there
    // is twice as much.
    int64_t in_flight_bytes_max = 0;
    int64_t client_in_flight_bytes_max = 0;
    int64_t client_in_flight_messages_max = 0;
    // On the way, of all clients together, where there are several. Calls that are larger than
    // their client's share exceed it, but not when there is eight times as much already.
    int64_t shared_bytes_max = 0;
    int64_t shared_messages_max = 0;
    int64_t client_messages_per_second = 0;  // 0: no limit.
  };

  // The messages of one call or frame.
  struct Amount {
    int64_t messages = 0;
    int64_t bytes = 0;
  };

  // A client that has something in hand, or has published in this time, is one that publishes.
  static constexpr absl::Duration kActiveTime = absl::Seconds(1);

  class Client;

  ClientLimits(const Limits& limits, Clock* clock, Logger* log, Metrics* metrics);

  // The limits from now on.
  void Set(const Limits& limits) ABSL_LOCKS_EXCLUDED(mutex_);

  // The client of that name, in the state in which it was left, if that was not long ago. Never
  // null; may be kept.
  std::shared_ptr<Client> Find(absl::string_view name) ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes messages in. True: they may be published now. False: they have to wait for their turn,
  // which is when Start is true; where `others_wait` that have to be published before them, always.
  // RESOURCE_EXHAUSTED, with the time after which to try again: they
  // are not taken in. A call whose messages come faster than allowed is taken in as a whole, and
  // the next ones are refused until that is made up for. A refusal is counted and logged.
  absl::StatusOr<bool> Enter(Client* client, Amount amount, bool others_wait)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The same for messages that Enter has refused. Nothing: they still cannot be taken in, which is
  // found out cheaply, and neither counted nor logged.
  absl::optional<bool> EnterAgain(Client* client, Amount amount, bool others_wait)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether messages that wait may be published now. Ask for those of a client in their order.
  bool Start(Client* client, Amount amount) ABSL_LOCKS_EXCLUDED(mutex_);

  // Messages that were published are answered: they are on their way no longer, and their bytes are
  // not in hand. The messages are, until the answers are taken, which is when they Leave.
  void EndTurn(Client* client, Amount amount) ABSL_LOCKS_EXCLUDED(mutex_);

  // Messages are not in hand any more: their answer is taken, or they are given up. `has_turn`:
  // they were on their way until now.
  void Leave(Client* client, Amount amount, bool has_turn) ABSL_LOCKS_EXCLUDED(mutex_);

  // From now on nothing is refused and nothing waits: there is an end.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // Forgets clients that have nothing in hand and nothing to make up for. Call several times per
  // second.
  void Sweep() ABSL_LOCKS_EXCLUDED(mutex_);

  // What one client may have in hand.
  Amount client_max() const ABSL_LOCKS_EXCLUDED(mutex_);

  int64_t in_flight_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);
  size_t client_count() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // By the settings.
  enum class Limit {
    kClientMessagesPerSecond,
    kClientInFlightMessages,
    kClientInFlightBytes,
    kInFlightBytes
  };
  struct Refusal {
    const char* setting;
    Counter* count;
    absl::Status error;
  };

  // The limit that keeps them out, if there is one.
  absl::optional<Limit> Check(const Client& client, Amount amount) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Refusal Refuse(Limit limit, const Client& client) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool TakeIn(Client* client, Amount amount, bool others_wait, SteadyTime now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasTurn(const Client& client, Amount amount) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BeginTurn(Client* client, Amount amount) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeOffTheWay(Client* client, Amount amount) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Refill(Client* client, SteadyTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Clock* const clock_;
  Logger* const log_;
  Metrics* const metrics_;

  mutable absl::Mutex mutex_;
  Limits limits_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t in_flight_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  Amount on_its_way_ ABSL_GUARDED_BY(mutex_);  // Of all clients.
  int64_t active_clients_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, std::shared_ptr<Client>> clients_ ABSL_GUARDED_BY(mutex_);
};

// Guarded by the lock of the ClientLimits that made it, but for the name.
class ClientLimits::Client {
 public:
  explicit Client(absl::string_view name) : name_(name) {}

 private:
  friend class ClientLimits;

  const std::string name_;
  Amount in_hand_;  // On its way, waiting for that, or with an answer that is not taken.
  Amount on_its_way_;
  bool is_active_ = false;
  SteadyTime entered_at_ = SteadyTime::min();
  // Messages that may be published now; below zero: what has to be made up for first.
  double tokens_ = 0;
  SteadyTime refilled_at_ = SteadyTime::min();
};

}  // namespace router

#endif  // ROUTER_SERVER_LIMITS_CLIENT_LIMITS_H_
