#include "server/audit/audited_change.h"

#include "server/errors/errors.h"

namespace router {

absl::Status AuditedChange::Begin(std::string detail) {
  AuditEvent event = event_;
  event.detail = std::move(detail);
  event.outcome = kAuditBegun;
  absl::StatusOr<std::string> id = audit_->Record(std::move(event));
  if (!id.ok()) return id.status();
  begin_id_ = *std::move(id);
  return absl::OkStatus();
}

absl::StatusOr<std::string> AuditedChange::End(std::string detail, const absl::Status& outcome) {
  AuditEvent event = event_;
  event.detail = detail;
  event.outcome = absl::StatusCodeToString(outcome.code());
  absl::StatusOr<std::string> id = audit_->Record(std::move(event));
  if (id.ok() || !has_begun() || !outcome.ok()) return id;
  return error::AuditIncomplete(begin_id_, detail, id.status().message());
}

}  // namespace router
