// AuditLog keeps who changed what, when and why: a file of JSON lines that is only ever appended
// to.
#ifndef ROUTER_SERVER_AUDIT_AUDIT_LOG_H_
#define ROUTER_SERVER_AUDIT_AUDIT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/audit/audit_event.h"
#include "server/audit/audit_file.h"
#include "server/base/clock.h"

namespace router {

struct AuditLogOptions {
  // Told, with no lock held, of every event that could not be written, and why.
  using ErrorReporter = std::function<void(const AuditEvent& event, const absl::Status& why)>;

  std::string dir;                      // Created if need be.
  std::string file_name = "audit.log";  // After a rotation there is `audit.log.1`, too.
  bool has_odd_ids = false;  // Otherwise even ones: two logs that are listed together share none.
  int64_t file_bytes_max = int64_t{16} << 20;  // Before the file becomes `audit.log.1`, which goes.
  size_t memory_events_max = 10000;            // The newest, kept for listing without the disk.
  int64_t memory_bytes_max = int64_t{8} << 20;
  ErrorReporter on_error = nullptr;  // May be left out.
};

// Some of the events, newest first.
struct AuditPage {
  std::vector<AuditEvent> events;
  std::string next_before_id;  // Hand it to List for the next page; empty on the last one.
};

// Thread-safe. Borrows `clock`. Nothing is lost by a crash once Record has returned OK. The two
// files together are bounded: the oldest events go when the log is rotated a second time.
class AuditLog {
 public:
  // Told, with no lock held, of damage that was found and passed over: a line torn by a crash, or
  // one that is no event.
  using DamageReporter = std::function<void(absl::string_view what)>;

  // STATE_IO_ERROR if folder or file cannot be opened, read or written.
  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(const AuditLogOptions& options,
                                                        Clock* clock,
                                                        const DamageReporter& on_damage);

  // Writes the event, with an id and a time of its own, and returns the id once it is fsynced.
  // Texts over kAuditTextBytesMax are cut. STATE_IO_ERROR: the event is not in the log, also not
  // for List.
  absl::StatusOr<std::string> Record(AuditEvent event) ABSL_LOCKS_EXCLUDED(mutex_);

  // Up to `page_size` (at least 1) events for which `matches` holds, newest first, all with ids
  // below `before_id`, where that is not empty. `matches` is called with no lock held. Events too
  // old for memory are read from the files. STATE_IO_ERROR if these cannot be read.
  absl::StatusOr<AuditPage> List(size_t page_size, absl::string_view before_id,
                                 absl::FunctionRef<bool(const AuditEvent&)> matches) const
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using EventPtr = std::shared_ptr<const AuditEvent>;

  AuditLog(const AuditLogOptions& options, Clock* clock);

  // What was found damaged is added to `damage`.
  absl::Status Load(std::vector<std::string>* damage) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status LoadFile(const std::string& path, bool first_is_torn,
                        std::vector<std::string>* damage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status RotateIfFull(size_t line_bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Rotate() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::string> Write(AuditEvent* event) ABSL_LOCKS_EXCLUDED(mutex_);
  std::string NextId(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MemoryHasRoom(int64_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remember(AuditEvent event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const AuditLogOptions options_;
  const std::string path_;
  const std::string rotated_path_;
  const std::string next_path_;  // Of a new, empty file, until it is `path_`.
  Clock* const clock_;

  mutable absl::Mutex mutex_;
  AuditFile file_ ABSL_GUARDED_BY(mutex_);
  bool names_are_durable_ ABSL_GUARDED_BY(mutex_) = true;
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<EventPtr> newest_ ABSL_GUARDED_BY(mutex_);  // Oldest first, without gaps.
  int64_t newest_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool has_older_ ABSL_GUARDED_BY(mutex_) = false;  // The files hold more.
};

// As AuditLog::List, over the events of both logs. One has odd ids and one even ones.
absl::StatusOr<AuditPage> ListBoth(const AuditLog& one, const AuditLog& other, size_t page_size,
                                   absl::string_view before_id,
                                   absl::FunctionRef<bool(const AuditEvent&)> matches);

}  // namespace router

#endif  // ROUTER_SERVER_AUDIT_AUDIT_LOG_H_
