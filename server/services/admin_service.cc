#include "server/services/admin_service.h"

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "server/base/steady_wait.h"
#include "server/errors/errors.h"
#include "server/errors/status_conversion.h"
#include "server/services/list_filters.h"
#include "server/services/page.h"

namespace router {
namespace {

constexpr char kServiceName[] = "router.v1.AdminService";
constexpr size_t kRequestIdBytesMax = 128;
constexpr int64_t kSampleSize = 10;
// Each holds a thread.
constexpr int kWatchesMax = 16;
constexpr size_t kPurgeChunk = 1000;
constexpr absl::Duration kWatchIntervalDefault = absl::Seconds(1);
constexpr absl::Duration kWatchIntervalMin = absl::Milliseconds(100);
constexpr absl::Duration kWatchIntervalMax = absl::Hours(1);
// How soon a watch notices that its caller has hung up.
constexpr absl::Duration kWatchCancelPoll = absl::Milliseconds(200);

absl::Duration WatchInterval(const v1::WatchStatusRequest& request) {
  if (!request.has_interval()) return kWatchIntervalDefault;
  const absl::Duration interval = FromProto(request.interval());
  return std::min(std::max(interval, kWatchIntervalMin), kWatchIntervalMax);
}

}  // namespace

void AdminService::Stop() {
  if (!stopped_.HasBeenNotified()) stopped_.Notify();
}

absl::Status AdminService::CheckView(const grpc::ServerContext& context, absl::string_view method,
                                     bool wants_payloads) const {
  return AdmitOperator(parts_.access, parts_.calls, context, kServiceName, method, wants_payloads)
      .status();
}

absl::StatusOr<AdminService::Change> AdminService::CheckChange(const grpc::ServerContext& context,
                                                               Change change) const {
  absl::StatusOr<std::string> actor =
      AdmitOperator(parts_.access, parts_.calls, context, kServiceName, change.method);
  if (!actor.ok()) return actor.status();
  change.actor = *std::move(actor);
  if (change.reason.empty() || change.reason.size() > kModeReasonBytesMax) {
    return error::ReasonRequired(kModeReasonBytesMax);
  }
  if (change.request_id.size() > kRequestIdBytesMax) {
    return error::RequestIdInvalid(kRequestIdBytesMax);
  }
  return change;
}

AuditedChange AdminService::Audited(const Change& change) {
  AuditEvent event;
  event.actor = change.actor;
  event.method = change.method;
  event.reason = change.reason;
  event.request_id = change.request_id;
  return AuditedChange(parts_.audit, std::move(event));
}

absl::StatusOr<std::string> AdminService::Audit(const Change& change, std::string detail) {
  return Audited(change).End(std::move(detail), absl::OkStatus());
}

grpc::Status AdminService::GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest*,
                                     v1::GetStatusResponse* response) {
  if (const absl::Status may = CheckView(*context, "GetStatus"); !may.ok()) {
    return ToGrpcStatus(may);
  }
  ToProto(parts_.status->Get(), parts_.constants, response->mutable_status());
  return grpc::Status::OK;
}

grpc::Status AdminService::WatchStatus(grpc::ServerContext* context,
                                       const v1::WatchStatusRequest* request,
                                       grpc::ServerWriter<v1::WatchStatusResponse>* writer) {
  if (const absl::Status may = CheckView(*context, "WatchStatus"); !may.ok()) {
    return ToGrpcStatus(may);
  }
  if (watches_.fetch_add(1) >= kWatchesMax) {
    watches_.fetch_sub(1);
    return ToGrpcStatus(error::TooManyWatches(kWatchesMax));
  }
  const auto end = absl::MakeCleanup([this] { watches_.fetch_sub(1); });
  const absl::Duration interval = WatchInterval(*request);
  while (true) {
    v1::WatchStatusResponse response;
    ToProto(parts_.status->Get(), parts_.constants, response.mutable_status());
    if (!writer->Write(response)) return grpc::Status::CANCELLED;
    const SteadyTime next = parts_.clock->SteadyNow() + absl::ToChronoNanoseconds(interval);
    for (absl::Duration left = interval; left > absl::ZeroDuration();
         left = absl::FromChrono(next - parts_.clock->SteadyNow())) {
      if (WaitSteadily(stopped_, std::min(left, kWatchCancelPoll))) {
        return ToGrpcStatus(error::Draining());
      }
      if (context->IsCancelled()) return grpc::Status::CANCELLED;
    }
    // What the caller may do can change while it watches.
    if (const absl::Status may = CheckView(*context, "WatchStatus"); !may.ok()) {
      return ToGrpcStatus(may);
    }
  }
}

grpc::Status AdminService::GetFailOpenMode(grpc::ServerContext* context,
                                           const v1::GetFailOpenModeRequest*,
                                           v1::GetFailOpenModeResponse* response) {
  if (const absl::Status may = CheckView(*context, "GetFailOpenMode"); !may.ok()) {
    return ToGrpcStatus(may);
  }
  ToProto(parts_.fail_open->state(), response->mutable_mode());
  return grpc::Status::OK;
}

grpc::Status AdminService::SetFailOpenMode(grpc::ServerContext* context,
                                           const v1::SetFailOpenModeRequest* request,
                                           v1::SetFailOpenModeResponse* response) {
  const absl::StatusOr<Change> change = CheckChange(*context, "SetFailOpenMode", *request);
  if (!change.ok()) return ToGrpcStatus(change.status());
  ModeChange mode;
  mode.enabled = request->enabled();
  mode.actor = change->actor;
  mode.reason = change->reason;
  mode.etag = request->etag();
  if (request->has_ttl()) {
    mode.ttl = FromProto(request->ttl());
  } else if (request->has_expire_time()) {
    mode.expire_time = FromProto(request->expire_time());
  }
  const absl::StatusOr<FailOpenSwitch::Changed> changed =
      parts_.fail_open->Change(mode, change->request_id, change->validate_only);
  if (!changed.ok()) return ToGrpcStatus(changed.status());
  ToProto(changed->state, response->mutable_mode());
  response->set_audit_event_id(changed->audit_event_id);
  return grpc::Status::OK;
}

grpc::Status AdminService::PauseDelivery(grpc::ServerContext* context,
                                         const v1::PauseDeliveryRequest* request,
                                         v1::PauseDeliveryResponse* response) {
  const absl::StatusOr<Change> change = CheckChange(*context, "PauseDelivery", *request);
  if (!change.ok()) return ToGrpcStatus(change.status());
  bool changed = false;
  std::string event_id;
  if (absl::Status status = SetPaused(*change, true, &changed, &event_id); !status.ok()) {
    return ToGrpcStatus(status);
  }
  response->set_changed(changed);
  response->set_audit_event_id(event_id);
  return grpc::Status::OK;
}

grpc::Status AdminService::ResumeDelivery(grpc::ServerContext* context,
                                          const v1::ResumeDeliveryRequest* request,
                                          v1::ResumeDeliveryResponse* response) {
  const absl::StatusOr<Change> change = CheckChange(*context, "ResumeDelivery", *request);
  if (!change.ok()) return ToGrpcStatus(change.status());
  bool changed = false;
  std::string event_id;
  if (absl::Status status = SetPaused(*change, false, &changed, &event_id); !status.ok()) {
    return ToGrpcStatus(status);
  }
  response->set_changed(changed);
  response->set_audit_event_id(event_id);
  return grpc::Status::OK;
}

absl::Status AdminService::SetPaused(const Change& change, bool paused, bool* changed,
                                     std::string* event_id) {
  absl::MutexLock lock(&pause_mutex_);
  const bool was_paused = parts_.dispatcher->GetLedger().paused;
  *changed = paused != was_paused;
  if (change.validate_only) return absl::OkStatus();
  const char* const detail = paused ? (was_paused ? "paused already" : "delivering → paused")
                                    : (was_paused ? "paused → delivering" : "was not paused");
  absl::StatusOr<std::string> id = Audit(change, detail);
  if (!id.ok()) return id.status();
  *event_id = *std::move(id);
  paused ? parts_.dispatcher->PauseDelivery() : parts_.dispatcher->ResumeDelivery();
  return absl::OkStatus();
}

grpc::Status AdminService::Reconnect(grpc::ServerContext* context,
                                     const v1::ReconnectRequest* request,
                                     v1::ReconnectResponse* response) {
  const absl::StatusOr<Change> change = CheckChange(*context, "Reconnect", *request);
  if (!change.ok()) return ToGrpcStatus(change.status());
  const ConnectionStatus connection = parts_.transport->GetStatus();
  if (connection.state == ConnectionState::kConnected)
    response->set_dropped_epoch(connection.epoch);
  if (change->validate_only) return grpc::Status::OK;
  const absl::StatusOr<std::string> id = Audit(
      *change,
      absl::StrCat("was ", ConnectionStateName(connection.state), ", epoch ", connection.epoch));
  if (!id.ok()) return ToGrpcStatus(id.status());
  parts_.transport->Reconnect();
  response->set_audit_event_id(*id);
  return grpc::Status::OK;
}

void AdminService::PendingToProto(const PendingRecord& record, v1::PendingOperationView view,
                                  v1::PendingOperation* proto) const {
  ToProto(record, parts_.drainer->FindAttempts(record.sequence), view, proto);
}

grpc::Status AdminService::ListPendingOperations(grpc::ServerContext* context,
                                                 const v1::ListPendingOperationsRequest* request,
                                                 v1::ListPendingOperationsResponse* response) {
  if (const absl::Status may = CheckView(*context, "ListPendingOperations",
                                         request->view() == v1::PENDING_OPERATION_VIEW_FULL);
      !may.ok()) {
    return ToGrpcStatus(may);
  }
  absl::StatusOr<PendingBrowser::Page> page =
      browser_.List(request->filter(), request->page_size(), request->page_token(),
                    request->view() == v1::PENDING_OPERATION_VIEW_FULL);
  if (!page.ok()) return ToGrpcStatus(page.status());
  for (const PendingRecord& record : page->records) {
    PendingToProto(record, request->view(), response->add_operations());
  }
  response->set_next_page_token(page->next_page_token);
  return grpc::Status::OK;
}

grpc::Status AdminService::GetPendingOperation(grpc::ServerContext* context,
                                               const v1::GetPendingOperationRequest* request,
                                               v1::GetPendingOperationResponse* response) {
  if (const absl::Status may = CheckView(*context, "GetPendingOperation",
                                         request->view() == v1::PENDING_OPERATION_VIEW_FULL);
      !may.ok()) {
    return ToGrpcStatus(may);
  }
  const absl::StatusOr<PendingRecord> record =
      browser_.Get(request->operation_id(), request->view() == v1::PENDING_OPERATION_VIEW_FULL);
  if (!record.ok()) return ToGrpcStatus(record.status());
  PendingToProto(*record, request->view(), response->mutable_operation());
  return grpc::Status::OK;
}

grpc::Status AdminService::RetryPendingOperations(grpc::ServerContext* context,
                                                  const v1::RetryPendingOperationsRequest* request,
                                                  v1::RetryPendingOperationsResponse* response) {
  const absl::StatusOr<Change> change = CheckChange(*context, "RetryPendingOperations", *request);
  if (!change.ok()) return ToGrpcStatus(change.status());
  if (request->filter().empty()) return ToGrpcStatus(error::FilterRequired());
  const absl::StatusOr<Filter> filter = ParsePendingFilter(request->filter());
  if (!filter.ok()) return ToGrpcStatus(filter.status());
  const ConnectionStatus connection = parts_.transport->GetStatus();
  if (connection.state != ConnectionState::kConnected) {
    return ToGrpcStatus(error::NatsUnavailable(connection.last_error));
  }
  int64_t matched = 0;
  absl::flat_hash_set<uint64_t> keys;
  const absl::Status walked = browser_.ForEach(*filter, [&](const PendingRecord& record) {
    ++matched;
    // Only the head of a blocked key has attempts behind it, and a delay to end.
    if (parts_.drainer->FindAttempts(record.sequence).has_value()) {
      keys.insert(HashOrderingKey(record.ordering_key));
    }
    return absl::OkStatus();
  });
  if (!walked.ok()) return ToGrpcStatus(walked);
  response->set_matched_count(matched);
  if (change->validate_only) return grpc::Status::OK;
  const absl::StatusOr<std::string> id =
      Audit(*change,
            absl::StrCat("filter ", request->filter(), ": ", matched,
                         " operations matched; keys that wait for a delay: ", keys.size(), " → 0"));
  if (!id.ok()) return ToGrpcStatus(id.status());
  parts_.drainer->RetryNow(std::vector<uint64_t>(keys.begin(), keys.end()));
  response->set_audit_event_id(*id);
  return grpc::Status::OK;
}

absl::Status AdminService::Purge(const Filter& filter, int64_t* matched, int64_t* purged) {
  std::vector<uint64_t> chunk;
  const auto purge_chunk = [&]() -> absl::Status {
    const absl::StatusOr<int64_t> removed = parts_.queue->Purge(chunk);
    if (!removed.ok()) return removed.status();
    *purged += *removed;
    chunk.clear();
    return absl::OkStatus();
  };
  absl::Status status = browser_.ForEach(filter, [&](const PendingRecord& record) {
    ++*matched;
    chunk.push_back(record.sequence);
    return chunk.size() < kPurgeChunk ? absl::OkStatus() : purge_chunk();
  });
  return status.ok() && !chunk.empty() ? purge_chunk() : status;
}

grpc::Status AdminService::PurgePendingOperations(grpc::ServerContext* context,
                                                  const v1::PurgePendingOperationsRequest* request,
                                                  v1::PurgePendingOperationsResponse* response) {
  const absl::StatusOr<Change> change = CheckChange(*context, "PurgePendingOperations", *request);
  if (!change.ok()) return ToGrpcStatus(change.status());
  if (request->filter().empty()) return ToGrpcStatus(error::FilterRequired());
  const absl::StatusOr<Filter> filter = ParsePendingFilter(request->filter());
  if (!filter.ok()) return ToGrpcStatus(filter.status());
  if (!request->force() || change->validate_only) {
    int64_t purgeable = 0;
    int64_t in_flight = 0;
    const absl::Status walked = browser_.ForEach(*filter, [&](const PendingRecord& record) {
      ++(record.claimed ? in_flight : purgeable);
      if (!record.claimed && purgeable <= kSampleSize) {
        PendingToProto(record, v1::PENDING_OPERATION_VIEW_BASIC, response->add_sample());
      }
      return absl::OkStatus();
    });
    response->set_purge_count(purgeable);
    response->set_in_flight_count(in_flight);
    return ToGrpcStatus(walked);
  }
  AuditedChange audited = Audited(*change);
  const int64_t before = parts_.queue->GetStats().count;
  const std::string which = absl::StrCat("filter ", request->filter(), ": ");
  if (absl::Status begun = audited.Begin(absl::StrCat(which, "of ", before, " queued"));
      !begun.ok()) {
    return ToGrpcStatus(begun);
  }
  int64_t matched = 0;
  int64_t purged = 0;
  const absl::Status status = Purge(*filter, &matched, &purged);
  const absl::StatusOr<std::string> id =
      audited.End(absl::StrCat(which, purged, " operations purged; ", before, " → ",
                               parts_.queue->GetStats().count, " queued"),
                  status);
  if (!status.ok()) return ToGrpcStatus(status);
  if (!id.ok()) return ToGrpcStatus(id.status());
  response->set_purge_count(purged);
  response->set_in_flight_count(matched - purged);
  response->set_audit_event_id(*id);
  return grpc::Status::OK;
}

grpc::Status AdminService::ListAuditEvents(grpc::ServerContext* context,
                                           const v1::ListAuditEventsRequest* request,
                                           v1::ListAuditEventsResponse* response) {
  if (const absl::Status may = CheckView(*context, "ListAuditEvents"); !may.ok()) {
    return ToGrpcStatus(may);
  }
  const absl::StatusOr<Filter> filter = ParseAuditFilter(request->filter());
  if (!filter.ok()) return ToGrpcStatus(filter.status());
  const absl::StatusOr<int64_t> size = PageSize(request->page_size());
  if (!size.ok()) return ToGrpcStatus(size.status());
  const absl::StatusOr<std::string> before_id =
      ParsePageToken(request->page_token(), request->filter());
  if (!before_id.ok()) return ToGrpcStatus(before_id.status());
  const absl::StatusOr<AuditPage> page =
      ListBoth(*parts_.audit, *parts_.denials, static_cast<size_t>(*size), *before_id,
               [&](const AuditEvent& event) { return AuditMatches(*filter, event); });
  if (!page.ok()) return ToGrpcStatus(page.status());
  for (const AuditEvent& event : page->events) ToProto(event, response->add_events());
  if (!page->next_before_id.empty()) {
    response->set_next_page_token(MakePageToken(page->next_before_id, request->filter()));
  }
  return grpc::Status::OK;
}

}  // namespace router
