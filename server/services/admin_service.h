#ifndef ROUTER_SERVER_SERVICES_ADMIN_SERVICE_H_
#define ROUTER_SERVER_SERVICES_ADMIN_SERVICE_H_

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "router/v1/admin.grpc.pb.h"
#include "server/audit/audit_log.h"
#include "server/audit/audited_change.h"
#include "server/dispatcher/dispatcher.h"
#include "server/drainer/drainer.h"
#include "server/mode/fail_open_switch.h"
#include "server/pending/pending_queue.h"
#include "server/reload/config_reloader.h"
#include "server/services/admin_conversion.h"
#include "server/services/call_access.h"
#include "server/services/dead_letters.h"
#include "server/services/pending_browser.h"
#include "server/status/router_status.h"
#include "transports/transport.h"

namespace router {

// AdminService: checks a request, asks the part of the router that it is about, and writes down in
// the audit log what an operator changes, before it does it. Synchronous; borrows every part.
class AdminService final : public v1::AdminService::Service {
 public:
  struct Parts {
    StatusConstants constants;
    Clock* clock = nullptr;
    Transport* transport = nullptr;
    Dispatcher* dispatcher = nullptr;
    Drainer* drainer = nullptr;
    PendingQueue* queue = nullptr;
    DeadLetters* dead_letters = nullptr;
    FailOpenSwitch* fail_open = nullptr;
    AuditLog* audit = nullptr;
    const AuditLog* denials = nullptr;
    AccessControl* access = nullptr;  // May stay null: no access control.
    AdminCalls* calls = nullptr;
    const StatusReporter* status = nullptr;
    ConfigReloader* reloader = nullptr;
  };

  explicit AdminService(Parts parts) : parts_(std::move(parts)), browser_(parts_.queue) {}

  // Ends the watches that are open. Call before Server::Shutdown.
  void Stop();

  grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest* request,
                         v1::GetStatusResponse* response) override;
  grpc::Status WatchStatus(grpc::ServerContext* context, const v1::WatchStatusRequest* request,
                           grpc::ServerWriter<v1::WatchStatusResponse>* writer) override;
  grpc::Status GetFailOpenMode(grpc::ServerContext* context,
                               const v1::GetFailOpenModeRequest* request,
                               v1::GetFailOpenModeResponse* response) override;
  grpc::Status SetFailOpenMode(grpc::ServerContext* context,
                               const v1::SetFailOpenModeRequest* request,
                               v1::SetFailOpenModeResponse* response) override;
  grpc::Status PauseDelivery(grpc::ServerContext* context, const v1::PauseDeliveryRequest* request,
                             v1::PauseDeliveryResponse* response) override;
  grpc::Status ResumeDelivery(grpc::ServerContext* context,
                              const v1::ResumeDeliveryRequest* request,
                              v1::ResumeDeliveryResponse* response) override;
  grpc::Status Reconnect(grpc::ServerContext* context, const v1::ReconnectRequest* request,
                         v1::ReconnectResponse* response) override;
  grpc::Status ListPendingOperations(grpc::ServerContext* context,
                                     const v1::ListPendingOperationsRequest* request,
                                     v1::ListPendingOperationsResponse* response) override;
  grpc::Status GetPendingOperation(grpc::ServerContext* context,
                                   const v1::GetPendingOperationRequest* request,
                                   v1::GetPendingOperationResponse* response) override;
  grpc::Status RetryPendingOperations(grpc::ServerContext* context,
                                      const v1::RetryPendingOperationsRequest* request,
                                      v1::RetryPendingOperationsResponse* response) override;
  grpc::Status PurgePendingOperations(grpc::ServerContext* context,
                                      const v1::PurgePendingOperationsRequest* request,
                                      v1::PurgePendingOperationsResponse* response) override;
  grpc::Status ListDeadLetters(grpc::ServerContext* context,
                               const v1::ListDeadLettersRequest* request,
                               v1::ListDeadLettersResponse* response) override;
  grpc::Status GetDeadLetter(grpc::ServerContext* context, const v1::GetDeadLetterRequest* request,
                             v1::GetDeadLetterResponse* response) override;
  grpc::Status RedriveDeadLetters(grpc::ServerContext* context,
                                  const v1::RedriveDeadLettersRequest* request,
                                  v1::RedriveDeadLettersResponse* response) override;
  grpc::Status PurgeDeadLetters(grpc::ServerContext* context,
                                const v1::PurgeDeadLettersRequest* request,
                                v1::PurgeDeadLettersResponse* response) override;
  grpc::Status ListAuditEvents(grpc::ServerContext* context,
                               const v1::ListAuditEventsRequest* request,
                               v1::ListAuditEventsResponse* response) override;
  grpc::Status GetEffectiveConfig(grpc::ServerContext* context,
                                  const v1::GetEffectiveConfigRequest* request,
                                  v1::GetEffectiveConfigResponse* response) override;
  grpc::Status ReloadConfig(grpc::ServerContext* context, const v1::ReloadConfigRequest* request,
                            v1::ReloadConfigResponse* response) override;

 private:
  // What every change has in common, whatever its request's type.
  struct Change {
    std::string method;
    std::string actor;
    std::string reason;
    std::string request_id;
    bool validate_only = false;
  };
  // Whether the caller may call a method that changes nothing; see AdmitOperator.
  absl::Status CheckView(const grpc::ServerContext& context, absl::string_view method,
                         bool wants_payloads = false) const;
  // Whether the caller may make a change, and has said why: REASON_REQUIRED and the like.
  template <typename Request>
  absl::StatusOr<Change> CheckChange(const grpc::ServerContext& context, absl::string_view method,
                                     const Request& request) const {
    return CheckChange(context, {std::string(method), "", request.reason(), request.request_id(),
                                 request.validate_only()});
  }
  absl::StatusOr<Change> CheckChange(const grpc::ServerContext& context, Change change) const;
  // Writes a change down that cannot fail, before it is made; the event's id. STATE_IO_ERROR: it
  // must not be made.
  absl::StatusOr<std::string> Audit(const Change& change, std::string detail);
  // For a change that can fail.
  AuditedChange Audited(const Change& change);
  absl::Status SetPaused(const Change& change, bool paused, bool* changed, std::string* event_id)
      ABSL_LOCKS_EXCLUDED(pause_mutex_);
  void PendingToProto(const PendingRecord& record, v1::PendingOperationView view,
                      v1::PendingOperation* proto) const;
  // Counts what matched and what was purged, also where it ends with an error.
  absl::Status Purge(const Filter& filter, int64_t* matched, int64_t* purged);

  const Parts parts_;
  const PendingBrowser browser_;
  absl::Notification stopped_;
  absl::Mutex pause_mutex_;  // From looking whether delivery is paused to changing it.
  std::atomic<int> watches_{0};
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_ADMIN_SERVICE_H_
