// The fields by which the API's lists can be filtered.
#ifndef ROUTER_SERVER_SERVICES_LIST_FILTERS_H_
#define ROUTER_SERVER_SERVICES_LIST_FILTERS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/audit/audit_event.h"
#include "server/filter/filter.h"
#include "server/pending/pending_queue.h"

namespace router {

// operation_id, message_id, subject, ordering_key, guarantee, accept_time, size_bytes.
absl::StatusOr<Filter> ParsePendingFilter(absl::string_view text);
bool PendingMatches(const Filter& filter, const PendingRecord& record);

// The fields of a pending operation, and reason, attempts, first_error, last_error, dead_time.
absl::StatusOr<Filter> ParseDeadLetterFilter(absl::string_view text);
bool DeadLetterMatches(const Filter& filter, const DeadLetter& dead_letter);

// id, time, actor, method, reason, outcome, request_id.
absl::StatusOr<Filter> ParseAuditFilter(absl::string_view text);
bool AuditMatches(const Filter& filter, const AuditEvent& event);

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_LIST_FILTERS_H_
