#ifndef ROUTER_SERVER_PENDING_DAMAGE_LOG_H_
#define ROUTER_SERVER_PENDING_DAMAGE_LOG_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/pending/pending_queue.h"

namespace router {

// Adds to `damage` what a line of its log, without newline, says. A line that is none, or that says
// less than nothing, adds nothing.
void AddFinding(absl::string_view line, QueueDamage* damage);

// What has been found damaged in a folder, in a file of it that people can read: one line for each
// finding, with the time, the number of records concerned and what was found, separated by tabs.
//
// The file is there from the first finding until an operator acknowledges it by moving the file
// away; what is found after that begins a new one. For one thread at a time, but for Get.
class DamageLog {
 public:
  explicit DamageLog(std::string path) : path_(std::move(path)) {}

  // Takes over what an earlier process has found. Call before anything else.
  void Open() ABSL_LOCKS_EXCLUDED(mutex_);

  // Appends a finding, durably. Where that fails it is known to this process all the same.
  absl::Status Add(absl::Time now, int64_t records, absl::string_view what)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Forgets what has been acknowledged.
  void Refresh() ABSL_LOCKS_EXCLUDED(mutex_);

  // What had not been acknowledged when Refresh was called last. For any thread; waits for no disk.
  QueueDamage Get() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Status Append(const std::string& line) const;

  const std::string path_;
  bool is_written_ = false;  // All of it stands in the file.

  mutable absl::Mutex mutex_;  // Not held while the file is used.
  QueueDamage damage_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_DAMAGE_LOG_H_
