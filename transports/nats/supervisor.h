#ifndef ROUTER_TRANSPORTS_NATS_SUPERVISOR_H_
#define ROUTER_TRANSPORTS_NATS_SUPERVISOR_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/random/random.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "transports/fault_injector.h"
#include "transports/nats/nats_connection.h"
#include "transports/nats/nats_options.h"
#include "transports/nats/server_pool.h"
#include "transports/nats/server_probe.h"
#include "transports/nats/wake_fd.h"
#include "transports/transport.h"

namespace router {

// Owns the question when to connect to what, and the connection's history: attempts, backoff,
// budget, epochs, status and events.
//
//   Connecting ──ok──▶ Up(epoch) ──lost──▶ Backoff ──▶ Connecting …
//       └──failed──▶ Backoff, or, with the budget used up, Exhausted: the same, at the longest
//       delay
//
// The first attempt after a loss comes at once, unless the connection was not stable. Attempts are
// counted from the last stable connection on, so that a flapping server uses up the budget too.
// Everything but GetStatus is for the transport's one thread; events are reported on it.
class Supervisor {
 public:
  // Borrows all but the options. `faults` may be null. `stop` readable: the transport is to stop.
  // `wake` readable: there is something to look at.
  Supervisor(const NatsOptions& options, FaultInjector* faults, WakeFd* stop, WakeFd* wake);

  // Before anything else but GetStatus. Borrows `observer`.
  void Begin(ServerPool pool, Transport::Observer* observer);

  // Waits for the next attempt's time and makes it. Null when it failed, or was cancelled.
  // `ends_backoff` is asked when `wake` is readable.
  std::unique_ptr<NatsConnection> NextAttempt(absl::FunctionRef<bool()> ends_backoff);

  // Makes one attempt at each other server, with no wait and no place in the count. Null when none
  // can be reached.
  std::unique_ptr<NatsConnection> ConnectElsewhere();
  bool HasOtherServers() const { return pool_.servers().size() > 1; }

  // A connection is up: a new epoch begins. Returns its number.
  uint64_t Established(const NatsConnection& connection);
  // The epoch goes on over this connection, to the pool's current server.
  void Moved(const NatsConnection& connection);
  // It is up still. Notices when it has become stable.
  void StillUp(const NatsConnection& connection, SteadyTime now);
  // It was lost. `at_once`: the next attempt is to be made without delay, at the same server.
  void Lost(absl::string_view reason, bool at_once);
  // Reports the loss; apart, because the observer hears of the epoch's end first.
  void ReportLost(absl::string_view reason);
  void Stopped();

  ConnectionStatus GetStatus() const ABSL_LOCKS_EXCLUDED(status_mutex_);

 private:
  absl::StatusOr<std::unique_ptr<NatsConnection>> Attempt(const ServerUrl& server);
  absl::Duration DelayBefore(int attempt);
  bool Backoff(absl::Duration delay, absl::FunctionRef<bool()> ends_backoff);
  void AttemptFailed(absl::string_view reason, bool is_reconnect);
  bool BudgetUsedUp() const;
  uint64_t ReportEstablished(const NatsConnection& connection, bool new_epoch)
      ABSL_LOCKS_EXCLUDED(status_mutex_);
  void SetState(ConnectionState state, absl::string_view error) ABSL_LOCKS_EXCLUDED(status_mutex_);
  bool SleepUnlessStopped(absl::Duration duration);

  const NatsOptions options_;
  FaultInjector* const faults_;
  WakeFd* const stop_;
  WakeFd* const wake_;

  Transport::Observer* observer_ = nullptr;
  ServerPool pool_;
  ServerProbe probe_;
  absl::BitGen random_;
  bool first_attempt_ = true;
  bool next_at_once_ = false;
  int attempts_ = 0;  // Since the last stable connection; the very first one is not counted.
  bool exhausted_ = false;
  bool lost_before_ = false;
  bool was_up_ = false;
  SteadyTime up_since_;
  SteadyTime lost_at_;
  SteadyTime next_discovery_;

  mutable absl::Mutex status_mutex_;
  ConnectionStatus status_ ABSL_GUARDED_BY(status_mutex_);
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_SUPERVISOR_H_
