#ifndef ROUTER_SERVER_ACCESS_DENIAL_LOG_H_
#define ROUTER_SERVER_ACCESS_DENIAL_LOG_H_

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/audit/audit_log.h"
#include "server/base/clock.h"
#include "server/log/logger.h"
#include "server/metrics/metrics.h"

namespace router {

// One or more things that one caller was denied at once.
struct Denial {
  std::string identity;  // Empty: the caller is not known.
  std::string address;
  absl::string_view method;
  absl::Status error;  // What the caller was told of the first of them.
  std::string detail;  // More of it, for the log only. May be empty.
  int64_t count = 1;
};

// Counts and logs what callers are denied, and puts it into the audit log where they are known.
//
// What reaches the audit log is bounded, as denials can come as fast as calls: those of one
// identity, method and reason become one event at the first, and then at most one in ten seconds,
// with their number. Thread-safe. Borrows everything.
class DenialLog {
 public:
  static constexpr absl::Duration kInterval = absl::Seconds(10);
  // Beyond so many different ones at a time, identities are no longer told apart.
  static constexpr size_t kKeysMax = 1000;

  DenialLog(Clock* clock, Logger* log, Metrics* metrics, AuditLog* audit)
      : clock_(clock), log_(log), metrics_(metrics), audit_(audit) {}

  // Does not touch the disk.
  void Add(const Denial& denial) ABSL_LOCKS_EXCLUDED(mutex_);

  // Writes what there is for the audit log, as far as it is time. Waits for the disk. What cannot
  // be written is tried again with the next call.
  void Flush() ABSL_LOCKS_EXCLUDED(mutex_) { Flush(clock_->SteadyNow()); }

  // Writes all that there is, whether it is time or not: nobody calls Flush again. What cannot be
  // written is lost.
  void FlushAtEnd() ABSL_LOCKS_EXCLUDED(mutex_) { Flush(SteadyTime::max()); }

 private:
  using Key = std::tuple<std::string, std::string, std::string>;  // Identity, method, reason.
  struct Entry {
    int64_t count = 0;  // Not written yet.
    AuditEvent first;   // Of those.
    SteadyTime next_time = SteadyTime::min();
  };

  // What is due at `until`.
  void Flush(SteadyTime until) ABSL_LOCKS_EXCLUDED(mutex_);
  void Count(const Denial& denial, const std::string& reason);
  void LogOne(const Denial& denial, const std::string& reason);
  bool Write(const Entry& entry);
  void PutBack(const Key& key, const Entry& entry) ABSL_LOCKS_EXCLUDED(mutex_);

  Clock* const clock_;
  Logger* const log_;
  Metrics* const metrics_;
  AuditLog* const audit_;

  absl::Mutex mutex_;
  std::map<Key, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace router

#endif  // ROUTER_SERVER_ACCESS_DENIAL_LOG_H_
