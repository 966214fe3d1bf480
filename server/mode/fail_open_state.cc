#include "server/mode/fail_open_state.h"

#include "absl/strings/str_cat.h"
#include "server/errors/errors.h"

namespace router {
namespace {

absl::Status CheckTtl(absl::Duration ttl) {
  if (ttl >= kFailOpenTtlMin && ttl <= kFailOpenTtlMax) return absl::OkStatus();
  return error::TtlInvalid(
      absl::StrCat(absl::FormatDuration(ttl), " is not between 1 second and 30 days"));
}

absl::Status CheckExpireTime(absl::Time expire_time, absl::Time now) {
  if (expire_time <= now) return error::ExpireTimeInvalid("it does not lie in the future");
  if (expire_time - now > kFailOpenTtlMax) {
    return error::ExpireTimeInvalid("it is more than 30 days away");
  }
  return absl::OkStatus();
}

absl::Status CheckEnd(const ModeChange& change, absl::Time now) {
  if (!change.enabled && change.ttl.has_value()) {
    return error::TtlInvalid("only a mode that is turned on can end by itself");
  }
  if (!change.enabled && change.expire_time.has_value()) {
    return error::ExpireTimeInvalid("only a mode that is turned on can end by itself");
  }
  if (change.ttl.has_value() && change.expire_time.has_value()) {
    return error::TtlInvalid("give either ttl or expire_time");
  }
  if (change.ttl.has_value()) return CheckTtl(*change.ttl);
  if (change.expire_time.has_value()) return CheckExpireTime(*change.expire_time, now);
  return absl::OkStatus();
}

}  // namespace

std::string FailOpenState::etag() const { return absl::StrCat(absl::Hex(version)); }

bool operator==(const FailOpenState& a, const FailOpenState& b) {
  return a.enabled == b.enabled && a.actor == b.actor && a.reason == b.reason &&
         a.since == b.since && a.expire_time == b.expire_time && a.version == b.version;
}

absl::StatusOr<FailOpenState> Apply(const FailOpenState& state, const ModeChange& change,
                                    absl::Time now) {
  if (change.reason.empty() || change.reason.size() > kModeReasonBytesMax) {
    return error::ReasonRequired(kModeReasonBytesMax);
  }
  if (absl::Status status = CheckEnd(change, now); !status.ok()) return status;
  if (!change.etag.empty() && change.etag != state.etag()) {
    return error::EtagMismatch(change.etag, state.etag());
  }
  FailOpenState next;
  next.enabled = change.enabled;
  next.actor = change.actor;
  next.reason = change.reason;
  next.since = now;
  if (change.ttl.has_value()) next.expire_time = now + *change.ttl;
  if (change.expire_time.has_value()) next.expire_time = *change.expire_time;
  next.version = state.version + 1;
  return next;
}

bool HasExpired(const FailOpenState& state, absl::Time now) {
  return state.enabled && now >= state.expire_time;
}

FailOpenState Expire(const FailOpenState& state, absl::Time now) {
  if (!HasExpired(state, now)) return state;
  FailOpenState next;
  next.actor = "expiry";
  next.reason = absl::StrCat("the time limit set by ", state.actor, " was reached");
  next.since = now;
  next.version = state.version + 1;
  return next;
}

}  // namespace router
