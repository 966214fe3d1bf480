// Fail-open mode as a value, and the rules by which it changes. Pure functions; no clock, no disk.
#ifndef ROUTER_SERVER_MODE_FAIL_OPEN_STATE_H_
#define ROUTER_SERVER_MODE_FAIL_OPEN_STATE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

namespace router {

inline constexpr absl::Duration kFailOpenTtlMin = absl::Seconds(1);
inline constexpr absl::Duration kFailOpenTtlMax = absl::Hours(24 * 30);
inline constexpr size_t kModeReasonBytesMax = 1024;

// Whether what cannot be delivered is queued (off) or dropped (on).
struct FailOpenState {
  bool enabled = false;
  std::string actor;   // Who set it; `config` for the start value, `expiry` where its time ran out.
  std::string reason;  // Why.
  absl::Time since;
  absl::Time expire_time = absl::InfiniteFuture();  // When it ends by itself; only while enabled.
  uint64_t version = 0;                             // Grows with every change.

  std::string etag() const;

  friend bool operator==(const FailOpenState& a, const FailOpenState& b);
};

// A change that somebody asks for.
struct ModeChange {
  bool enabled = false;
  std::string actor;
  std::string reason;                  // Required, at most kModeReasonBytesMax bytes.
  absl::optional<absl::Duration> ttl;  // Only one of the two, and only with `enabled`.
  absl::optional<absl::Time> expire_time;
  std::string etag;  // If not empty: of the state that is to be changed.
};

// The state after `change`. Errors, in this order: REASON_REQUIRED, TTL_INVALID,
// EXPIRE_TIME_INVALID, ETAG_MISMATCH.
absl::StatusOr<FailOpenState> Apply(const FailOpenState& state, const ModeChange& change,
                                    absl::Time now);

// Whether the state's time has run out.
bool HasExpired(const FailOpenState& state, absl::Time now);

// The state at `now`: the same, or off where its time has run out.
FailOpenState Expire(const FailOpenState& state, absl::Time now);

}  // namespace router

#endif  // ROUTER_SERVER_MODE_FAIL_OPEN_STATE_H_
