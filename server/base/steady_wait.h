#ifndef ROUTER_SERVER_BASE_STEADY_WAIT_H_
#define ROUTER_SERVER_BASE_STEADY_WAIT_H_

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace router {

// Waits until `notification`, at most for `duration`, and returns whether it came. Looks every 20
// ms.
//
// Abseil's own timed waits end at a moment of the wall clock: when somebody sets that back by an
// hour, they last an hour longer. This one goes by a clock that never jumps.
bool WaitSteadily(const absl::Notification& notification, absl::Duration duration);

}  // namespace router

#endif  // ROUTER_SERVER_BASE_STEADY_WAIT_H_
