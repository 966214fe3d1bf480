// The methods of AdminService that are about dead letters.
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/errors/errors.h"
#include "server/errors/status_conversion.h"
#include "server/services/admin_service.h"
#include "server/services/list_filters.h"

namespace router {
namespace {

constexpr int64_t kSampleSize = 10;

// The filter of a change, which must say what is meant.
absl::StatusOr<Filter> RequiredFilter(const std::string& text) {
  if (text.empty()) return error::FilterRequired();
  return ParseDeadLetterFilter(text);
}

// Counts what matches and adds the first of it to `sample`.
absl::StatusOr<int64_t> CountMatches(const DeadLetters& dead_letters, const Filter& filter,
                                     google::protobuf::RepeatedPtrField<v1::DeadLetter>* sample) {
  int64_t count = 0;
  const absl::Status walked = dead_letters.ForEach(filter, [&](const DeadLetter& dead_letter) {
    if (++count <= kSampleSize) ToProto(dead_letter, v1::DEAD_LETTER_VIEW_BASIC, sample->Add());
    return absl::OkStatus();
  });
  if (!walked.ok()) return walked;
  return count;
}

void ToProto(const RefusedDeadLetters& refused, v1::RedriveDeadLettersResponse* response) {
  response->set_refused_count(refused.count);
  for (const RefusedDeadLetters::Refused& one : refused.sample) {
    v1::RefusedDeadLetter* const proto = response->add_refused_sample();
    proto->set_operation_id(one.operation_id);
    ToRpcStatus(one.why, proto->mutable_error());
  }
}

// As a redrive that moves nothing: what could be put back, and what is refused.
absl::Status PreviewRedrive(const DeadLetters& dead_letters, const Filter& filter,
                            v1::RedriveDeadLettersResponse* response) {
  int64_t count = 0;
  RefusedDeadLetters refused;
  const absl::Status walked = dead_letters.ForEach(filter, [&](const DeadLetter& dead_letter) {
    absl::Status valid = dead_letters.Validate(dead_letter);
    if (!valid.ok()) {
      refused.Add(dead_letter.record.sequence, std::move(valid));
    } else if (++count <= kSampleSize) {
      ToProto(dead_letter, v1::DEAD_LETTER_VIEW_BASIC, response->add_sample());
    }
    return absl::OkStatus();
  });
  if (!walked.ok()) return walked;
  response->set_redriven_count(count);
  ToProto(refused, response);
  return absl::OkStatus();
}

// For the audit log: "; 3 refused (HEADER_INVALID: 1, SUBJECT_INVALID: 2)".
std::string RefusedText(const RefusedDeadLetters& refused) {
  if (refused.count == 0) return "";
  return absl::StrCat("; ", refused.count, " refused (",
                      absl::StrJoin(refused.by_reason, ", ", absl::PairFormatter(": ")), ")");
}

// For the audit log.
std::string BeforeAndAfter(const std::string& filter, int64_t count, absl::string_view what,
                           int64_t before, int64_t after) {
  return absl::StrCat("filter ", filter, ": ", count, " dead letters ", what, "; ", before, " → ",
                      after, " dead letters");
}

}  // namespace

grpc::Status AdminService::ListDeadLetters(grpc::ServerContext* context,
                                           const v1::ListDeadLettersRequest* request,
                                           v1::ListDeadLettersResponse* response) {
  if (const absl::Status may =
          CheckView(*context, "ListDeadLetters", request->view() == v1::DEAD_LETTER_VIEW_FULL);
      !may.ok()) {
    return ToGrpcStatus(may);
  }
  const absl::StatusOr<DeadLetters::Page> page =
      parts_.dead_letters->List(request->filter(), request->page_size(), request->page_token(),
                                request->view() == v1::DEAD_LETTER_VIEW_FULL);
  if (!page.ok()) return ToGrpcStatus(page.status());
  for (const DeadLetter& dead_letter : page->dead_letters) {
    ToProto(dead_letter, request->view(), response->add_dead_letters());
  }
  response->set_next_page_token(page->next_page_token);
  return grpc::Status::OK;
}

grpc::Status AdminService::GetDeadLetter(grpc::ServerContext* context,
                                         const v1::GetDeadLetterRequest* request,
                                         v1::GetDeadLetterResponse* response) {
  if (const absl::Status may =
          CheckView(*context, "GetDeadLetter", request->view() == v1::DEAD_LETTER_VIEW_FULL);
      !may.ok()) {
    return ToGrpcStatus(may);
  }
  const absl::StatusOr<DeadLetter> dead_letter = parts_.dead_letters->Get(
      request->operation_id(), request->view() == v1::DEAD_LETTER_VIEW_FULL);
  if (!dead_letter.ok()) return ToGrpcStatus(dead_letter.status());
  ToProto(*dead_letter, request->view(), response->mutable_dead_letter());
  return grpc::Status::OK;
}

grpc::Status AdminService::RedriveDeadLetters(grpc::ServerContext* context,
                                              const v1::RedriveDeadLettersRequest* request,
                                              v1::RedriveDeadLettersResponse* response) {
  const absl::StatusOr<Change> change = CheckChange(*context, "RedriveDeadLetters", *request);
  if (!change.ok()) return ToGrpcStatus(change.status());
  const absl::StatusOr<Filter> filter = RequiredFilter(request->filter());
  if (!filter.ok()) return ToGrpcStatus(filter.status());
  if (request->limit() < 0) return ToGrpcStatus(error::FieldInvalid("limit", "it is negative"));
  if (change->validate_only) {
    return ToGrpcStatus(PreviewRedrive(*parts_.dead_letters, *filter, response));
  }
  const int64_t limit =
      request->limit() == 0 ? std::numeric_limits<int64_t>::max() : request->limit();
  const int64_t before = parts_.queue->GetStats().dead_letters;
  AuditedChange audited = Audited(*change);
  const auto begin = [&] {
    return audited.Begin(
        absl::StrCat("filter ", request->filter(), ": of ", before, " dead letters"));
  };
  DeadLetters::Redriven redriven;
  const absl::Status status = parts_.dead_letters->Redrive(*filter, limit, begin, &redriven);
  response->set_redriven_count(redriven.moved);
  response->set_remaining_count(redriven.remaining);
  ToProto(redriven.refused, response);
  if (audited.has_begun() || redriven.refused.count > 0) {
    const std::string what = absl::StrCat("put back into the queue", RefusedText(redriven.refused));
    const absl::StatusOr<std::string> id =
        audited.End(BeforeAndAfter(request->filter(), redriven.moved, what, before,
                                   parts_.queue->GetStats().dead_letters),
                    status);
    if (status.ok() && !id.ok()) return ToGrpcStatus(id.status());
    response->set_audit_event_id(id.value_or(""));
  }
  return ToGrpcStatus(status);
}

grpc::Status AdminService::PurgeDeadLetters(grpc::ServerContext* context,
                                            const v1::PurgeDeadLettersRequest* request,
                                            v1::PurgeDeadLettersResponse* response) {
  const absl::StatusOr<Change> change = CheckChange(*context, "PurgeDeadLetters", *request);
  if (!change.ok()) return ToGrpcStatus(change.status());
  const absl::StatusOr<Filter> filter = RequiredFilter(request->filter());
  if (!filter.ok()) return ToGrpcStatus(filter.status());
  if (!request->force() || change->validate_only) {
    const absl::StatusOr<int64_t> count =
        CountMatches(*parts_.dead_letters, *filter, response->mutable_sample());
    if (!count.ok()) return ToGrpcStatus(count.status());
    response->set_purge_count(*count);
    return grpc::Status::OK;
  }
  const int64_t before = parts_.queue->GetStats().dead_letters;
  AuditedChange audited = Audited(*change);
  if (absl::Status begun = audited.Begin(
          absl::StrCat("filter ", request->filter(), ": of ", before, " dead letters"));
      !begun.ok()) {
    return ToGrpcStatus(begun);
  }
  int64_t purged = 0;
  const absl::Status status = parts_.dead_letters->Purge(*filter, &purged);
  response->set_purge_count(purged);
  const absl::StatusOr<std::string> id =
      audited.End(BeforeAndAfter(request->filter(), purged, "purged", before,
                                 parts_.queue->GetStats().dead_letters),
                  status);
  if (!status.ok()) return ToGrpcStatus(status);
  if (!id.ok()) return ToGrpcStatus(id.status());
  response->set_audit_event_id(*id);
  return grpc::Status::OK;
}

}  // namespace router
