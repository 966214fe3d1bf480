#ifndef ROUTER_SERVER_AUDIT_AUDITED_CHANGE_H_
#define ROUTER_SERVER_AUDIT_AUDITED_CHANGE_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/audit/audit_event.h"
#include "server/audit/audit_log.h"

namespace router {

// How a change gets into the audit log that may fail, or of which one knows only afterwards how
// much it changed: an event with the outcome kAuditBegun before it, and one with its result. A
// change that cannot fail and is known beforehand is one event, written before it. Either way
// nothing changes that is not in the log. Not thread-safe; borrows the log.
class AuditedChange {
 public:
  // `event` has actor, method, reason and request id.
  AuditedChange(AuditLog* audit, AuditEvent event) : audit_(audit), event_(std::move(event)) {}

  // Writes down what is about to be done. STATE_IO_ERROR: it must not be done.
  absl::Status Begin(std::string detail);
  bool has_begun() const { return !begin_id_.empty(); }

  // Writes down what was done, or why not, and returns the event's id. AUDIT_INCOMPLETE, with the
  // detail: the change has begun and went well, and this cannot be written. STATE_IO_ERROR: any
  // other cannot be written.
  absl::StatusOr<std::string> End(std::string detail, const absl::Status& outcome);

 private:
  AuditLog* const audit_;
  const AuditEvent event_;
  std::string begin_id_;
};

}  // namespace router

#endif  // ROUTER_SERVER_AUDIT_AUDITED_CHANGE_H_
