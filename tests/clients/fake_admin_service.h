#ifndef ROUTER_TESTS_CLIENTS_FAKE_ADMIN_SERVICE_H_
#define ROUTER_TESTS_CLIENTS_FAKE_ADMIN_SERVICE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "router/v1/admin.grpc.pb.h"

namespace router::testing {

// Answers with what a test has put in, and remembers what it was asked. Thread-safe.
class FakeAdminService final : public v1::AdminService::Service {
 public:
  // All calls fail like this.
  void Fail(const grpc::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  void SetStatus(const v1::RouterStatus& status) ABSL_LOCKS_EXCLUDED(mutex_);
  void AddOperation(const v1::PendingOperation& operation) ABSL_LOCKS_EXCLUDED(mutex_);
  void AddDeadLetter(const v1::DeadLetter& dead_letter) ABSL_LOCKS_EXCLUDED(mutex_);
  // One call of RedriveDeadLetters moves at most `per_call`; the call after it is told to come back
  // in `retry_delay`.
  void LimitRedrives(int64_t per_call, absl::Duration retry_delay) ABSL_LOCKS_EXCLUDED(mutex_);
  // RedriveDeadLetters fails like this once it has moved `after`.
  void FailRedrivesAfter(int64_t after, const grpc::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  // RedriveDeadLetters leaves it where it is, and says why.
  void RefuseRedrive(uint64_t operation_id, const std::string& why) ABSL_LOCKS_EXCLUDED(mutex_);
  void AddAuditEvent(const v1::AuditEvent& event) ABSL_LOCKS_EXCLUDED(mutex_);
  // What ReloadConfig answers.
  void SetReload(const v1::ReloadConfigResponse& reload) ABSL_LOCKS_EXCLUDED(mutex_);
  void AddSetting(const v1::ConfigSetting& setting) ABSL_LOCKS_EXCLUDED(mutex_);

  // The requests so far, as "MethodRequest {text format in one line}".
  std::vector<std::string> requests() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Until WatchStatus has sent as many reports.
  bool WaitForReports(int reports) const ABSL_LOCKS_EXCLUDED(mutex_);

  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::GetStatusResponse*) override;
  grpc::Status WatchStatus(grpc::ServerContext*, const v1::WatchStatusRequest*,
                           grpc::ServerWriter<v1::WatchStatusResponse>*) override;
  grpc::Status GetFailOpenMode(grpc::ServerContext*, const v1::GetFailOpenModeRequest*,
                               v1::GetFailOpenModeResponse*) override;
  grpc::Status SetFailOpenMode(grpc::ServerContext*, const v1::SetFailOpenModeRequest*,
                               v1::SetFailOpenModeResponse*) override;
  grpc::Status PauseDelivery(grpc::ServerContext*, const v1::PauseDeliveryRequest*,
                             v1::PauseDeliveryResponse*) override;
  grpc::Status ResumeDelivery(grpc::ServerContext*, const v1::ResumeDeliveryRequest*,
                              v1::ResumeDeliveryResponse*) override;
  grpc::Status Reconnect(grpc::ServerContext*, const v1::ReconnectRequest*,
                         v1::ReconnectResponse*) override;
  grpc::Status ListPendingOperations(grpc::ServerContext*, const v1::ListPendingOperationsRequest*,
                                     v1::ListPendingOperationsResponse*) override;
  grpc::Status GetPendingOperation(grpc::ServerContext*, const v1::GetPendingOperationRequest*,
                                   v1::GetPendingOperationResponse*) override;
  grpc::Status RetryPendingOperations(grpc::ServerContext*,
                                      const v1::RetryPendingOperationsRequest*,
                                      v1::RetryPendingOperationsResponse*) override;
  grpc::Status PurgePendingOperations(grpc::ServerContext*,
                                      const v1::PurgePendingOperationsRequest*,
                                      v1::PurgePendingOperationsResponse*) override;
  grpc::Status ListDeadLetters(grpc::ServerContext*, const v1::ListDeadLettersRequest*,
                               v1::ListDeadLettersResponse*) override;
  grpc::Status GetDeadLetter(grpc::ServerContext*, const v1::GetDeadLetterRequest*,
                             v1::GetDeadLetterResponse*) override;
  grpc::Status RedriveDeadLetters(grpc::ServerContext*, const v1::RedriveDeadLettersRequest*,
                                  v1::RedriveDeadLettersResponse*) override;
  grpc::Status PurgeDeadLetters(grpc::ServerContext*, const v1::PurgeDeadLettersRequest*,
                                v1::PurgeDeadLettersResponse*) override;
  grpc::Status ListAuditEvents(grpc::ServerContext*, const v1::ListAuditEventsRequest*,
                               v1::ListAuditEventsResponse*) override;
  grpc::Status GetEffectiveConfig(grpc::ServerContext*, const v1::GetEffectiveConfigRequest*,
                                  v1::GetEffectiveConfigResponse*) override;
  grpc::Status ReloadConfig(grpc::ServerContext*, const v1::ReloadConfigRequest*,
                            v1::ReloadConfigResponse*) override;

 private:
  // Remembers the request and returns how the call is to end.
  grpc::Status Start(const google::protobuf::Message& request) ABSL_LOCKS_EXCLUDED(mutex_);

  mutable absl::Mutex mutex_;
  grpc::Status failure_ ABSL_GUARDED_BY(mutex_);
  v1::RouterStatus status_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::PendingOperation> operations_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::DeadLetter> dead_letters_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::RefusedDeadLetter> refused_ ABSL_GUARDED_BY(mutex_);  // Never redriven.
  int64_t redrives_per_call_ ABSL_GUARDED_BY(mutex_) = 0;               // 0: no limit.
  absl::Duration redrive_delay_ ABSL_GUARDED_BY(mutex_);
  bool redrive_too_soon_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t redriven_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t redrives_until_failure_ ABSL_GUARDED_BY(mutex_) = -1;
  grpc::Status redrive_failure_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::AuditEvent> events_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::ConfigSetting> settings_ ABSL_GUARDED_BY(mutex_);
  v1::ReloadConfigResponse reload_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> requests_ ABSL_GUARDED_BY(mutex_);
  int reports_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace router::testing

#endif  // ROUTER_TESTS_CLIENTS_FAKE_ADMIN_SERVICE_H_
