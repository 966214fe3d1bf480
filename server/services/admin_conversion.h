// From the router's own types to the messages of AdminService.
#ifndef ROUTER_SERVER_SERVICES_ADMIN_CONVERSION_H_
#define ROUTER_SERVER_SERVICES_ADMIN_CONVERSION_H_

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "router/v1/admin.pb.h"
#include "server/audit/audit_log.h"
#include "server/drainer/drainer.h"
#include "server/mode/mode_controller.h"
#include "server/pending/pending_queue.h"
#include "server/status/router_status.h"

namespace router {

// What the status says that does not change while the router runs.
struct StatusConstants {
  std::string transport;
  std::string full_policy;
  int64_t queue_count_max = 0;
  int64_t queue_bytes_max = 0;
  int attempts_max = 0;
};

absl::Time FromProto(const google::protobuf::Timestamp& proto);
absl::Duration FromProto(const google::protobuf::Duration& proto);
void ToProto(absl::Time time, google::protobuf::Timestamp* proto);
void ToProto(absl::Duration duration, google::protobuf::Duration* proto);

void ToProto(const RouterStatus& status, const StatusConstants& constants, v1::RouterStatus* proto);
void ToProto(const FailOpenState& state, v1::FailOpenMode* proto);
void ToProto(const AuditEvent& event, v1::AuditEvent* proto);

// BASIC leaves headers and payload out.
void ToProto(const PendingRecord& record, const absl::optional<Drainer::Attempts>& attempts,
             v1::PendingOperationView view, v1::PendingOperation* proto);
void ToProto(const DeadLetter& dead_letter, v1::DeadLetterView view, v1::DeadLetter* proto);

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_ADMIN_CONVERSION_H_
