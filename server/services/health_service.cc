#include "server/services/health_service.h"

#include <utility>
#include <vector>

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>

#include "server/errors/errors.h"
#include "server/errors/status_conversion.h"

namespace router {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

class HealthService::Check {
 public:
  explicit Check(HealthService* health) : health_(health) {
    CallQueue* const queue = health->queue_;
    queue->AddHandler();
    health->service_.RequestCheck(&server_context_, &request_, &responder_, queue->get(),
                                  queue->get(), &requested_);
  }
  ~Check() { health_->queue_->RemoveHandler(); }

 private:
  void OnRequested(bool ok) {
    if (!ok) {  // The server is shutting down.
      delete this;
      return;
    }
    new Check(health_);
    HealthCheckResponse response;
    response.set_status(health_->StatusOf(request_.service()));
    if (response.status() != HealthCheckResponse::SERVICE_UNKNOWN) {
      responder_.Finish(response, grpc::Status::OK, &finished_);
    } else {
      responder_.FinishWithError(ToGrpcStatus(error::HealthServiceUnknown(request_.service())),
                                 &finished_);
    }
  }

  void OnFinished(bool) { delete this; }

  HealthService* const health_;
  MemberTag<Check> requested_{this, &Check::OnRequested};
  MemberTag<Check> finished_{this, &Check::OnFinished};
  grpc::ServerContext server_context_;
  HealthCheckRequest request_;
  grpc::ServerAsyncResponseWriter<HealthCheckResponse> responder_{&server_context_};
};

// One that waits for a call, and then for changes until the caller goes or the server does.
class HealthService::Watch {
 public:
  explicit Watch(HealthService* health) : health_(health) {
    CallQueue* const queue = health->queue_;
    queue->AddHandler();
    server_context_.AsyncNotifyWhenDone(&cancelled_);
    health->service_.RequestWatch(&server_context_, &request_, &writer_, queue->get(), queue->get(),
                                  &requested_);
  }
  ~Watch() { health_->queue_->RemoveHandler(); }

  // Tells the caller what it does not know yet, and ends the call where it has to end.
  void Advance() {
    if (writing_ || finishing_) return;
    if (gone_ || health_->stopping()) {
      finishing_ = true;
      return writer_.Finish(ToGrpcStatus(error::Draining()), &finished_);
    }
    const ServingStatus status = health_->StatusOf(request_.service());
    if (status == told_) return;
    told_ = status;
    writing_ = true;
    HealthCheckResponse response;
    response.set_status(status);
    writer_.Write(response, &written_);
  }

 private:
  void OnRequested(bool ok) {
    if (!ok) {  // The server is shutting down. `cancelled_` does not come then.
      delete this;
      return;
    }
    new Watch(health_);
    health_->watches_.insert(this);
    Advance();
  }

  void OnWritten(bool ok) {
    writing_ = false;
    if (!ok) gone_ = true;
    Advance();
  }

  void OnCancelled(bool) {
    gone_ = true;
    is_cancelled_ = true;
    Advance();
    DeleteIfOver();
  }

  void OnFinished(bool) {
    is_finished_ = true;
    health_->watches_.erase(this);
    DeleteIfOver();
  }

  // Both tags come, in either order.
  void DeleteIfOver() {
    if (is_finished_ && is_cancelled_) delete this;
  }

  HealthService* const health_;
  MemberTag<Watch> requested_{this, &Watch::OnRequested};
  MemberTag<Watch> written_{this, &Watch::OnWritten};
  MemberTag<Watch> cancelled_{this, &Watch::OnCancelled};
  MemberTag<Watch> finished_{this, &Watch::OnFinished};
  grpc::ServerContext server_context_;
  HealthCheckRequest request_;
  grpc::ServerAsyncWriter<HealthCheckResponse> writer_{&server_context_};
  ServingStatus told_ = HealthCheckResponse::UNKNOWN;  // Which no service has.
  bool writing_ = false;
  bool gone_ = false;  // The caller.
  bool finishing_ = false;
  bool is_cancelled_ = false;
  bool is_finished_ = false;
};

HealthService::HealthService() = default;
HealthService::~HealthService() = default;

void HealthService::Start(CallQueue* queue) {
  queue_ = queue;
  new Check(this);
  new Watch(this);
}

void HealthService::SetServing(absl::string_view service, bool serving) {
  {
    absl::MutexLock lock(&mutex_);
    const auto [it, is_new] = serving_.try_emplace(service, serving);
    if (!is_new && it->second == serving) return;
    it->second = serving;
    if (queue_ == nullptr || stopping_ || !std::exchange(is_told_, false)) return;
  }
  queue_->Post(&tell_watches_);
}

void HealthService::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    if (queue_ == nullptr || !std::exchange(is_told_, false)) return;
  }
  queue_->Post(&tell_watches_);
}

void HealthService::TellWatches(bool) {
  {
    absl::MutexLock lock(&mutex_);
    is_told_ = true;
  }
  for (Watch* watch : watches_) watch->Advance();
}

HealthService::ServingStatus HealthService::StatusOf(const std::string& service) const {
  absl::MutexLock lock(&mutex_);
  const auto found = serving_.find(service);
  if (found == serving_.end()) return HealthCheckResponse::SERVICE_UNKNOWN;
  return found->second ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

bool HealthService::stopping() const {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

}  // namespace router
