#ifndef ROUTER_SERVER_RELOAD_CONFIG_RELOADER_H_
#define ROUTER_SERVER_RELOAD_CONFIG_RELOADER_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/audit/audit_log.h"
#include "server/base/clock.h"
#include "server/config/config.h"
#include "server/config/config_change.h"
#include "server/log/logger.h"
#include "server/metrics/metrics.h"

namespace router {

// Reads the configuration again while the router runs: all or nothing. What can change at run time
// is put in force, what cannot is told; any error leaves everything as it was. Each reload is in
// the log, the metrics and the audit log. Thread-safe; borrows clock, log, metrics and audit log.
class ConfigReloader {
 public:
  struct Hooks {
    // Reads the sources that the router was started with. Errors as those of LoadConfig.
    std::function<absl::StatusOr<LoadedConfig>()> load;
    // Reads the files of certificates and access control that are in use, changed or not. Returns
    // what puts them in force, which cannot fail. Errors: one line for each, as LoadConfig has it.
    std::function<absl::StatusOr<std::function<void()>>()> read_files;
    // Puts the reloadable ones of these settings in force.
    std::function<void(const Settings&)> apply;
  };

  // Who wants it, for the audit log.
  struct Request {
    std::string actor;
    std::string reason;
    std::string request_id;
    bool validate_only = false;  // Nothing changes, and nothing is written down.
  };

  struct Reloaded {
    ConfigDifference difference;
    std::string audit_event_id;  // Empty with validate_only.
  };

  // `running` is what the router was started with.
  ConfigReloader(LoadedConfig running, Hooks hooks, Clock* clock, Logger* log, Metrics* metrics,
                 AuditLog* audit);

  // Waits for the disk. CONFIG_INVALID with all errors; STATE_IO_ERROR where it cannot be written
  // down. Nothing has changed then.
  absl::StatusOr<Reloaded> Reload(const Request& request)
      ABSL_LOCKS_EXCLUDED(reload_mutex_, mutex_);

  // All settings as they are in force.
  std::vector<EffectiveSetting> effective() const ABSL_LOCKS_EXCLUDED(mutex_);
  // When they were read: at the start, or at the last reload that went well.
  absl::Time read_time() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether the last reload went well; true before the first.
  bool last_ok() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Everything read anew and found right.
  struct Candidate {
    LoadedConfig config;
    std::function<void()> use_files;
  };

  absl::StatusOr<Candidate> Read() const;
  void Apply(Candidate candidate) ABSL_EXCLUSIVE_LOCKS_REQUIRED(reload_mutex_);
  absl::StatusOr<std::string> Audit(const Request& request, std::string detail,
                                    const absl::Status& outcome);
  absl::Status Fail(const Request& request, absl::Status why);

  const Hooks hooks_;
  Clock* const clock_;
  Logger* const log_;
  Metrics* const metrics_;
  AuditLog* const audit_;

  absl::Mutex reload_mutex_;  // One reload at a time. Taken first.
  mutable absl::Mutex mutex_;
  LoadedConfig running_ ABSL_GUARDED_BY(mutex_);
  absl::Time read_time_ ABSL_GUARDED_BY(mutex_);
  bool last_ok_ ABSL_GUARDED_BY(mutex_) = true;
};

}  // namespace router

#endif  // ROUTER_SERVER_RELOAD_CONFIG_RELOADER_H_
