#include "server/mode/mode_controller.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/errors/errors.h"
#include "server/mode/mode_file.h"
#include "server/pending/durable_file.h"

namespace router {
namespace {

absl::Status IoError(const absl::Status& status) { return error::StateIoError(status.message()); }

// The state of a router that knows of none. The version is the time, so that an etag from before
// the file was lost fits nothing.
FailOpenState FirstState(bool enabled, std::string actor, std::string reason, absl::Time now) {
  FailOpenState state;
  state.enabled = enabled;
  state.actor = std::move(actor);
  state.reason = std::move(reason);
  state.since = now;
  state.version = static_cast<uint64_t>(std::max<int64_t>(absl::ToUnixMicros(now), 1));
  return state;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModeController>> ModeController::Open(const Options& options,
                                                                     Clock* clock,
                                                                     ProblemReporter on_problem) {
  if (absl::Status status = CreateDirectories(options.dir); !status.ok()) return IoError(status);
  std::unique_ptr<ModeController> mode(new ModeController(options, clock, std::move(on_problem)));
  if (absl::Status status = mode->Load(options.enabled_by_config); !status.ok()) {
    return IoError(status);
  }
  return mode;
}

ModeController::ModeController(const Options& options, Clock* clock, ProblemReporter on_problem)
    : dir_(options.dir), clock_(clock), on_problem_(std::move(on_problem)) {}

absl::Status ModeController::Load(bool enabled_by_config) {
  const absl::Time now = clock_->WallNow();
  absl::StatusOr<FailOpenState> state = ReadModeFile(dir_);
  if (state.ok()) {
    Show(*state);
    return absl::OkStatus();
  }
  if (absl::IsDataLoss(state.status())) {
    on_problem_(absl::DataLossError(
        absl::StrCat(state.status().message(), "; fail-open mode is off, and the file is kept as ",
                     DamagedModeFilePath(dir_))));
    if (absl::Status status = SetModeFileAside(dir_); !status.ok()) return status;
    state = FirstState(false, "router", "the file with the mode was damaged", now);
    absl::MutexLock change_lock(&change_mutex_);
    if (absl::Status status = WriteModeFile(dir_, *state); !status.ok()) return status;
  } else if (absl::IsNotFound(state.status())) {
    // Not written: as long as nobody changes the mode, it follows the configuration.
    state = FirstState(enabled_by_config, "config", "the configured start value", now);
  } else {
    return state.status();
  }
  Show(*state);
  return absl::OkStatus();
}

FailOpenState ModeController::state() const {
  absl::MutexLock lock(&mutex_);
  return state_;
}

absl::StatusOr<FailOpenState> ModeController::Check(const ModeChange& change) const {
  return Apply(state(), change, clock_->WallNow());
}

absl::StatusOr<FailOpenState> ModeController::Set(const ModeChange& change) {
  absl::MutexLock change_lock(&change_mutex_);
  absl::StatusOr<FailOpenState> next = Apply(state(), change, clock_->WallNow());
  if (!next.ok()) return next;
  if (absl::Status status = WriteModeFile(dir_, *next); !status.ok()) return IoError(status);
  Show(*next);
  return next;
}

absl::optional<FailOpenState> ModeController::Tick() {
  if (!IsOver()) return absl::nullopt;
  FailOpenState next;
  absl::Status written;
  {
    absl::MutexLock change_lock(&change_mutex_);
    const FailOpenState before = state();
    if (!IsOver()) return absl::nullopt;
    next = Expire(before, std::max(clock_->WallNow(), before.expire_time));
    written = WriteModeFile(dir_, next);
    Show(next);
  }
  // The mode ends all the same: what is on disk has expired too, and ends again after a restart.
  if (!written.ok()) on_problem_(IoError(written));
  return next;
}

// By whichever clock is first: dropping messages for longer than was asked for is the worse
// mistake.
bool ModeController::IsOver() const {
  absl::MutexLock lock(&mutex_);
  return HasExpired(state_, clock_->WallNow()) ||
         (state_.enabled && clock_->SteadyNow() >= ends_at_);
}

void ModeController::Show(const FailOpenState& state) {
  const absl::Time now = clock_->WallNow();
  absl::MutexLock lock(&mutex_);
  state_ = state;
  ends_at_ = state.expire_time == absl::InfiniteFuture()
                 ? SteadyTime::max()
                 : clock_->SteadyNow() + absl::ToChronoNanoseconds(state.expire_time - now);
  enabled_.store(state.enabled && !HasExpired(state, now), std::memory_order_release);
}

}  // namespace router
