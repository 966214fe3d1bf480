// ModeController holds fail-open mode: one guarded value, kept on disk.
#ifndef ROUTER_SERVER_MODE_MODE_CONTROLLER_H_
#define ROUTER_SERVER_MODE_MODE_CONTROLLER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "server/base/clock.h"
#include "server/mode/fail_open_state.h"

namespace router {

// Thread-safe. Borrows `clock`. A change is on disk, fsynced, in `<dir>/fail_open.json` before
// anybody sees it, and is there again after a restart. Expiry goes by the wall clock.
class ModeController {
 public:
  struct Options {
    std::string dir;                 // Created if need be.
    bool enabled_by_config = false;  // The mode until somebody changes it.
  };

  // Told, with no lock held, of what went wrong without failing a call: a damaged file, or a disk
  // that did not take an expiry.
  using ProblemReporter = std::function<void(const absl::Status& problem)>;

  // Reads the mode of the last run, or takes the one of the configuration where there is no file. A
  // file that is damaged is reported and kept as `fail_open.json.damaged`; the mode is then off,
  // whatever the configuration says: queueing loses nothing. STATE_IO_ERROR if folder or file
  // cannot be read or written.
  static absl::StatusOr<std::unique_ptr<ModeController>> Open(const Options& options, Clock* clock,
                                                              ProblemReporter on_problem);

  // Whether fail-open mode is on. Lock-free. At most one Tick behind the clock.
  bool enabled() const { return enabled_.load(std::memory_order_acquire); }

  // The whole of it. Never waits for the disk.
  FailOpenState state() const ABSL_LOCKS_EXCLUDED(mutex_);

  // What Set would return now; changes nothing.
  absl::StatusOr<FailOpenState> Check(const ModeChange& change) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Makes the change and returns the state after it. Errors of Apply; STATE_IO_ERROR: not changed,
  // the disk did not take it.
  absl::StatusOr<FailOpenState> Set(const ModeChange& change)
      ABSL_LOCKS_EXCLUDED(change_mutex_, mutex_);

  // Ends a mode whose time has run out, and returns the state it became, once, so that the caller
  // can log and audit it; nothing otherwise. Also tells of one that ran out while the router was
  // not running. Call often: every few ten milliseconds.
  absl::optional<FailOpenState> Tick() ABSL_LOCKS_EXCLUDED(change_mutex_, mutex_);

 private:
  ModeController(const Options& options, Clock* clock, ProblemReporter on_problem);

  absl::Status Load(bool enabled_by_config) ABSL_LOCKS_EXCLUDED(change_mutex_, mutex_);
  bool IsOver() const ABSL_LOCKS_EXCLUDED(mutex_);
  void Show(const FailOpenState& state) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string dir_;
  Clock* const clock_;
  const ProblemReporter on_problem_;

  std::atomic<bool> enabled_{false};

  // Held for the whole of a change, disk included; readers take only `mutex_`.
  absl::Mutex change_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  mutable absl::Mutex mutex_;
  FailOpenState state_ ABSL_GUARDED_BY(mutex_);
  // When the mode ends, should the wall clock have been set back meanwhile.
  SteadyTime ends_at_ ABSL_GUARDED_BY(mutex_) = SteadyTime::max();
};

}  // namespace router

#endif  // ROUTER_SERVER_MODE_MODE_CONTROLLER_H_
