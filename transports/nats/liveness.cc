#include "transports/nats/liveness.h"

#include <algorithm>
#include <chrono>

namespace router {
namespace {

// A gap between two checks that only a stopped or starved process leaves.
constexpr std::chrono::seconds kStall(1);

SteadyTime::duration ToSteady(absl::Duration duration) {
  return std::chrono::duration_cast<SteadyTime::duration>(absl::ToChronoNanoseconds(duration));
}

}  // namespace

Liveness::Liveness(const Limits& limits, SteadyTime now)
    : ping_interval_(ToSteady(limits.ping_interval)),
      silence_max_(ping_interval_ * std::max(1, limits.max_pings_out)),
      write_deadline_(ToSteady(limits.write_deadline)),
      checked_at_(now),
      received_at_(now) {}

void Liveness::PingSent(SteadyTime now) {
  if (!pinged_at_.has_value()) pinged_at_ = now;
}

void Liveness::PingAnswered(bool more, SteadyTime now) {
  pinged_at_.reset();
  if (more) pinged_at_ = now;
}

void Liveness::WriteState(bool waiting, bool progress, SteadyTime now) {
  if (!waiting) {
    write_stuck_since_.reset();
  } else if (progress || !write_stuck_since_.has_value()) {
    write_stuck_since_ = now;
  }
}

bool Liveness::WantsPing(SteadyTime now) const {
  return !pinged_at_.has_value() && now - received_at_ >= ping_interval_;
}

absl::string_view Liveness::Check(SteadyTime now) {
  ForgiveStall(now);
  if (write_stuck_since_.has_value() && now - *write_stuck_since_ >= write_deadline_) {
    return "the server takes no more bytes (write deadline)";
  }
  if (!pinged_at_.has_value()) return "";
  const auto unanswered = now - *pinged_at_;
  const auto grace = std::max(ping_interval_, silence_max_ - ping_interval_);
  if (now - received_at_ >= silence_max_ && unanswered >= grace) {
    return "the server is silent (ping budget)";
  }
  return unanswered >= silence_max_ ? "the server answers no ping (ping budget)" : "";
}

void Liveness::ForgiveStall(SteadyTime now) {
  const auto gap = now - checked_at_;
  checked_at_ = now;
  if (gap < kStall) return;
  received_at_ += gap;
  if (pinged_at_.has_value()) *pinged_at_ += gap;
  if (write_stuck_since_.has_value()) *write_stuck_since_ += gap;
}

}  // namespace router
