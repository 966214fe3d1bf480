#include "tests/clients/fake_admin_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/clients/fake_router.h"

namespace router::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

}  // namespace

void FakeAdminService::Fail(const grpc::Status& status) {
  absl::MutexLock lock(&mutex_);
  failure_ = status;
}

void FakeAdminService::SetStatus(const v1::RouterStatus& status) {
  absl::MutexLock lock(&mutex_);
  status_ = status;
}

void FakeAdminService::AddOperation(const v1::PendingOperation& operation) {
  absl::MutexLock lock(&mutex_);
  operations_.push_back(operation);
}

void FakeAdminService::AddDeadLetter(const v1::DeadLetter& dead_letter) {
  absl::MutexLock lock(&mutex_);
  dead_letters_.push_back(dead_letter);
}

void FakeAdminService::LimitRedrives(int64_t per_call, absl::Duration retry_delay) {
  absl::MutexLock lock(&mutex_);
  redrives_per_call_ = per_call;
  redrive_delay_ = retry_delay;
}

void FakeAdminService::RefuseRedrive(uint64_t operation_id, const std::string& why) {
  absl::MutexLock lock(&mutex_);
  v1::RefusedDeadLetter& refused = refused_.emplace_back();
  refused.set_operation_id(operation_id);
  refused.mutable_error()->set_message(why);
}

void FakeAdminService::FailRedrivesAfter(int64_t after, const grpc::Status& status) {
  absl::MutexLock lock(&mutex_);
  redrives_until_failure_ = after;
  redrive_failure_ = status;
}

void FakeAdminService::AddAuditEvent(const v1::AuditEvent& event) {
  absl::MutexLock lock(&mutex_);
  events_.push_back(event);
}

void FakeAdminService::AddSetting(const v1::ConfigSetting& setting) {
  absl::MutexLock lock(&mutex_);
  settings_.push_back(setting);
}

std::vector<std::string> FakeAdminService::requests() const {
  absl::MutexLock lock(&mutex_);
  return requests_;
}

bool FakeAdminService::WaitForReports(int reports) const {
  absl::MutexLock lock(&mutex_);
  const auto enough = [this, reports]()
                          ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return reports_ >= reports; };
  return mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
}

grpc::Status FakeAdminService::Start(const google::protobuf::Message& request) {
  absl::MutexLock lock(&mutex_);
  requests_.push_back(
      absl::StrCat(request.GetDescriptor()->name(), " {", request.ShortDebugString(), "}"));
  return failure_;
}

grpc::Status FakeAdminService::GetStatus(grpc::ServerContext*, const v1::GetStatusRequest* request,
                                         v1::GetStatusResponse* response) {
  const grpc::Status status = Start(*request);
  absl::MutexLock lock(&mutex_);
  *response->mutable_status() = status_;
  return status;
}

grpc::Status FakeAdminService::WatchStatus(grpc::ServerContext* context,
                                           const v1::WatchStatusRequest* request,
                                           grpc::ServerWriter<v1::WatchStatusResponse>* writer) {
  const grpc::Status status = Start(*request);
  if (!status.ok()) return status;
  while (!context->IsCancelled()) {
    v1::WatchStatusResponse report;
    absl::MutexLock lock(&mutex_);
    *report.mutable_status() = status_;
    if (!writer->Write(report)) break;
    ++reports_;
    // The interval, until the caller hangs up.
    const auto hung_up = [context] { return context->IsCancelled(); };
    mutex_.AwaitWithTimeout(absl::Condition(&hung_up), absl::Milliseconds(5));
  }
  return grpc::Status::OK;
}

grpc::Status FakeAdminService::GetFailOpenMode(grpc::ServerContext*,
                                               const v1::GetFailOpenModeRequest* request,
                                               v1::GetFailOpenModeResponse* response) {
  const grpc::Status status = Start(*request);
  absl::MutexLock lock(&mutex_);
  *response->mutable_mode() = status_.fail_open();
  return status;
}

grpc::Status FakeAdminService::SetFailOpenMode(grpc::ServerContext*,
                                               const v1::SetFailOpenModeRequest* request,
                                               v1::SetFailOpenModeResponse* response) {
  const grpc::Status status = Start(*request);
  response->mutable_mode()->set_enabled(request->enabled());
  response->mutable_mode()->set_reason(request->reason());
  response->mutable_mode()->set_actor("ops");
  response->mutable_mode()->set_etag("e2");
  response->set_audit_event_id("a1");
  return status;
}

grpc::Status FakeAdminService::PauseDelivery(grpc::ServerContext*,
                                             const v1::PauseDeliveryRequest* request,
                                             v1::PauseDeliveryResponse* response) {
  response->set_changed(true);
  return Start(*request);
}

grpc::Status FakeAdminService::ResumeDelivery(grpc::ServerContext*,
                                              const v1::ResumeDeliveryRequest* request,
                                              v1::ResumeDeliveryResponse*) {
  return Start(*request);
}

grpc::Status FakeAdminService::Reconnect(grpc::ServerContext*, const v1::ReconnectRequest* request,
                                         v1::ReconnectResponse* response) {
  response->set_dropped_epoch(3);
  return Start(*request);
}

// Page tokens are the number of operations before the page.
grpc::Status FakeAdminService::ListPendingOperations(
    grpc::ServerContext*, const v1::ListPendingOperationsRequest* request,
    v1::ListPendingOperationsResponse* response) {
  const grpc::Status status = Start(*request);
  absl::MutexLock lock(&mutex_);
  size_t start = 0;
  if (!absl::SimpleAtoi(request->page_token(), &start)) start = 0;
  const size_t end = std::min(operations_.size(), start + request->page_size());
  for (size_t i = start; i < end; ++i) {
    v1::PendingOperation& operation = *response->add_operations() = operations_[i];
    if (request->view() == v1::PENDING_OPERATION_VIEW_FULL) continue;
    operation.clear_headers();
    operation.clear_payload();
  }
  if (end < operations_.size()) response->set_next_page_token(absl::StrCat(end));
  return status;
}

grpc::Status FakeAdminService::GetPendingOperation(grpc::ServerContext*,
                                                   const v1::GetPendingOperationRequest* request,
                                                   v1::GetPendingOperationResponse* response) {
  const grpc::Status status = Start(*request);
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  for (const v1::PendingOperation& operation : operations_) {
    if (operation.operation_id() == request->operation_id()) {
      *response->mutable_operation() = operation;
      return grpc::Status::OK;
    }
  }
  return RouterError(grpc::StatusCode::NOT_FOUND, "there is no such operation",
                     "OPERATION_NOT_FOUND");
}

grpc::Status FakeAdminService::RetryPendingOperations(
    grpc::ServerContext*, const v1::RetryPendingOperationsRequest* request,
    v1::RetryPendingOperationsResponse* response) {
  const grpc::Status status = Start(*request);
  absl::MutexLock lock(&mutex_);
  response->set_matched_count(static_cast<int64_t>(operations_.size()));
  return status;
}

grpc::Status FakeAdminService::PurgePendingOperations(
    grpc::ServerContext*, const v1::PurgePendingOperationsRequest* request,
    v1::PurgePendingOperationsResponse* response) {
  const grpc::Status status = Start(*request);
  absl::MutexLock lock(&mutex_);
  response->set_purge_count(static_cast<int64_t>(operations_.size()));
  if (request->force() && !request->validate_only()) {
    operations_.clear();
    return status;
  }
  for (const v1::PendingOperation& operation : operations_) *response->add_sample() = operation;
  return status;
}

// Page tokens are the number of dead letters before the page.
grpc::Status FakeAdminService::ListDeadLetters(grpc::ServerContext*,
                                               const v1::ListDeadLettersRequest* request,
                                               v1::ListDeadLettersResponse* response) {
  const grpc::Status status = Start(*request);
  absl::MutexLock lock(&mutex_);
  size_t start = 0;
  if (!absl::SimpleAtoi(request->page_token(), &start)) start = 0;
  const size_t end = std::min(dead_letters_.size(), start + request->page_size());
  for (size_t i = start; i < end; ++i) *response->add_dead_letters() = dead_letters_[i];
  if (end < dead_letters_.size()) response->set_next_page_token(absl::StrCat(end));
  return status;
}

grpc::Status FakeAdminService::GetDeadLetter(grpc::ServerContext*,
                                             const v1::GetDeadLetterRequest* request,
                                             v1::GetDeadLetterResponse* response) {
  const grpc::Status status = Start(*request);
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  for (const v1::DeadLetter& dead_letter : dead_letters_) {
    if (dead_letter.operation_id() != request->operation_id()) continue;
    *response->mutable_dead_letter() = dead_letter;
    if (request->view() == v1::DEAD_LETTER_VIEW_FULL) return grpc::Status::OK;
    response->mutable_dead_letter()->clear_headers();
    response->mutable_dead_letter()->clear_payload();
    return grpc::Status::OK;
  }
  return RouterError(grpc::StatusCode::NOT_FOUND, "there is no such dead letter",
                     "DEAD_LETTER_NOT_FOUND");
}

grpc::Status FakeAdminService::RedriveDeadLetters(grpc::ServerContext*,
                                                  const v1::RedriveDeadLettersRequest* request,
                                                  v1::RedriveDeadLettersResponse* response) {
  const grpc::Status status = Start(*request);
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  response->set_refused_count(static_cast<int64_t>(refused_.size()));
  for (const v1::RefusedDeadLetter& refused : refused_) *response->add_refused_sample() = refused;
  if (request->validate_only()) {
    response->set_redriven_count(static_cast<int64_t>(dead_letters_.size()));
    for (const v1::DeadLetter& dead_letter : dead_letters_) *response->add_sample() = dead_letter;
    return status;
  }
  if (redrives_until_failure_ >= 0 && redriven_ >= redrives_until_failure_) return redrive_failure_;
  if (std::exchange(redrive_too_soon_, false)) {
    return RouterError(grpc::StatusCode::RESOURCE_EXHAUSTED, "too soon", "REDRIVE_RATE_LIMITED",
                       redrive_delay_);
  }
  size_t count = dead_letters_.size();
  if (request->limit() > 0) count = std::min<size_t>(count, request->limit());
  if (redrives_per_call_ > 0) {
    count = std::min<size_t>(count, redrives_per_call_);
    redrive_too_soon_ = true;
  }
  dead_letters_.erase(dead_letters_.begin(), dead_letters_.begin() + count);
  redriven_ += static_cast<int64_t>(count);
  response->set_redriven_count(static_cast<int64_t>(count));
  response->set_remaining_count(static_cast<int64_t>(dead_letters_.size() + refused_.size()));
  response->set_audit_event_id(absl::StrCat("a", redriven_));
  return status;
}

grpc::Status FakeAdminService::PurgeDeadLetters(grpc::ServerContext*,
                                                const v1::PurgeDeadLettersRequest* request,
                                                v1::PurgeDeadLettersResponse* response) {
  const grpc::Status status = Start(*request);
  absl::MutexLock lock(&mutex_);
  response->set_purge_count(static_cast<int64_t>(dead_letters_.size()));
  if (request->force() && !request->validate_only()) {
    dead_letters_.clear();
    return status;
  }
  for (const v1::DeadLetter& dead_letter : dead_letters_) *response->add_sample() = dead_letter;
  return status;
}

grpc::Status FakeAdminService::ListAuditEvents(grpc::ServerContext*,
                                               const v1::ListAuditEventsRequest* request,
                                               v1::ListAuditEventsResponse* response) {
  const grpc::Status status = Start(*request);
  absl::MutexLock lock(&mutex_);
  for (const v1::AuditEvent& event : events_) *response->add_events() = event;
  return status;
}

grpc::Status FakeAdminService::GetEffectiveConfig(grpc::ServerContext*,
                                                  const v1::GetEffectiveConfigRequest* request,
                                                  v1::GetEffectiveConfigResponse* response) {
  const grpc::Status status = Start(*request);
  absl::MutexLock lock(&mutex_);
  for (const v1::ConfigSetting& setting : settings_) *response->add_settings() = setting;
  return status;
}

void FakeAdminService::SetReload(const v1::ReloadConfigResponse& reload) {
  absl::MutexLock lock(&mutex_);
  reload_ = reload;
}

grpc::Status FakeAdminService::ReloadConfig(grpc::ServerContext*,
                                            const v1::ReloadConfigRequest* request,
                                            v1::ReloadConfigResponse* response) {
  const grpc::Status status = Start(*request);
  absl::MutexLock lock(&mutex_);
  *response = reload_;
  return status;
}

}  // namespace router::testing
