#ifndef ROUTER_TRANSPORTS_NATS_LIVENESS_H_
#define ROUTER_TRANSPORTS_NATS_LIVENESS_H_

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "transports/transport.h"

namespace router {

// Decides whether a connection is still alive, from what is seen of it. Not thread-safe.
//
// - A server that has been silent for `ping_interval` is to be pinged; one that stays silent for
//   `max_pings_out` times that is dead. A stopped server is found this way.
// - A ping that is not answered for so long is the end too, whatever else arrives.
// - A socket that takes nothing of what waits for it for `write_deadline` is dead.
//
// Time in which this process itself did not run counts for nothing.
class Liveness {
 public:
  struct Limits {
    absl::Duration ping_interval;
    int max_pings_out = 2;
    absl::Duration write_deadline;
  };
  Liveness(const Limits& limits, SteadyTime now);

  void Received(SteadyTime now) { received_at_ = now; }
  void PingSent(SteadyTime now);
  // The oldest ping was answered; whether there are more on their way.
  void PingAnswered(bool more, SteadyTime now);
  // Whether bytes are waiting that the socket does not take. `progress`: it has taken some.
  void WriteState(bool waiting, bool progress, SteadyTime now);

  bool WantsPing(SteadyTime now) const;

  // Why the connection has to be given up; empty while it has not. Call at least twice a second.
  absl::string_view Check(SteadyTime now);

 private:
  void ForgiveStall(SteadyTime now);

  const SteadyTime::duration ping_interval_;
  const SteadyTime::duration silence_max_;
  const SteadyTime::duration write_deadline_;

  SteadyTime checked_at_;
  SteadyTime received_at_;
  absl::optional<SteadyTime> pinged_at_;  // The oldest ping on its way.
  absl::optional<SteadyTime> write_stuck_since_;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_LIVENESS_H_
