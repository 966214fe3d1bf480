#ifndef ROUTER_SERVER_LIMITS_CLIENT_LIMITS_H_
#define ROUTER_SERVER_LIMITS_CLIENT_LIMITS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
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
// hand, which is published and not answered, and how many messages per second it may publish.
// A client is an identity, or, where there is no access control, an address.
//
// Whoever has nothing in hand may always publish one call's messages, however large, so that no
// call is too large for ever. Thread-safe. Borrows the others.
class ClientLimits {
 public:
  struct Limits {
    int64_t in_flight_bytes_max = 0;  // Of all clients together.
    int64_t client_in_flight_bytes_max = 0;
    int64_t client_in_flight_messages_max = 0;
    int64_t client_messages_per_second = 0;  // 0: no limit.
  };

  class Client;

  ClientLimits(const Limits& limits, Clock* clock, Logger* log, Metrics* metrics);

  // The limits from now on.
  void Set(const Limits& limits) ABSL_LOCKS_EXCLUDED(mutex_);

  // The client of that name, in the state in which it was left, if that was not long ago. Never
  // null; may be kept.
  std::shared_ptr<Client> Find(absl::string_view name) ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes the messages of one call or frame in. What is taken in has to be given back with Release,
  // when it is answered. RESOURCE_EXHAUSTED with the time after which to try again: nothing is taken
  // in; counted and logged. Of those that come faster than allowed, a call is taken in as a whole,
  // and the next ones wait until it is made up for.
  absl::Status Take(Client* client, int64_t messages, int64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  // The same, for what was refused before: not counted again, nor logged.
  bool TakeAgain(Client* client, int64_t messages, int64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  void Release(Client* client, int64_t messages, int64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);

  // From now on everything is taken in: there is an end, and what waits must not wait.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // Forgets clients that have nothing in hand and nothing to make up for. Call every second or so.
  void Sweep() ABSL_LOCKS_EXCLUDED(mutex_);

  int64_t in_flight_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);
  size_t client_count() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Refusal {
    const char* limit;  // The setting.
    Counter* count;
    absl::Status error;
  };

  absl::optional<Refusal> TryToTake(Client* client, int64_t messages, int64_t bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::optional<Refusal> Check(const Client& client, int64_t messages, int64_t bytes) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Refill(Client* client) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Clock* const clock_;
  Logger* const log_;
  Metrics* const metrics_;

  mutable absl::Mutex mutex_;
  Limits limits_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t in_flight_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, std::shared_ptr<Client>> clients_ ABSL_GUARDED_BY(mutex_);
};

// Guarded by the lock of the ClientLimits that made it, but for the name.
class ClientLimits::Client {
 public:
  explicit Client(absl::string_view name) : name_(name) {}

 private:
  friend class ClientLimits;

  const std::string name_;
  int64_t in_flight_messages_ = 0;
  int64_t in_flight_bytes_ = 0;
  // Messages that may be published now; below zero: what has to be made up for first.
  double tokens_ = 0;
  SteadyTime refilled_at_ = SteadyTime::min();
};

}  // namespace router

#endif  // ROUTER_SERVER_LIMITS_CLIENT_LIMITS_H_
