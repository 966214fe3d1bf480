#ifndef ROUTER_SERVER_BASE_CLOCK_H_
#define ROUTER_SERVER_BASE_CLOCK_H_

#include "absl/time/time.h"
#include "transports/transport.h"

namespace router {

// The time, as an interface, so that tests decide what time it is. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // For timeouts and latencies. Never goes back.
  virtual SteadyTime SteadyNow() = 0;

  // For people, time stamps and expiry that has to hold across a restart. May jump.
  virtual absl::Time WallNow() = 0;
};

// The clock of this machine. Never destroyed.
Clock* SystemClock();

}  // namespace router

#endif  // ROUTER_SERVER_BASE_CLOCK_H_
