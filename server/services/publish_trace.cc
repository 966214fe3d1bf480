#include "server/services/publish_trace.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace router {
namespace {

constexpr absl::string_view kService = "router.v1.PublisherService";

absl::string_view TextOf(grpc::string_ref text) { return {text.data(), text.size()}; }

// A list that is spread over several lines is one list.
std::string ReadTracestate(const CallMetadata& metadata) {
  const auto [begin, end] =
      metadata.equal_range(grpc::string_ref(kTracestateHeader.data(), kTracestateHeader.size()));
  std::string joined;
  for (auto it = begin; it != end; ++it) {
    absl::StrAppend(&joined, joined.empty() ? "" : ",", TextOf(it->second));
  }
  return IsTracestate(joined) ? joined : "";
}

// What became of the messages, as counters of a span.
struct OutcomeCounts {
  int64_t delivered = 0;
  int64_t queued = 0;
  int64_t dropped = 0;
  int64_t rejected = 0;
};

OutcomeCounts CountOutcomes(const std::vector<Operation>& operations) {
  OutcomeCounts counts;
  for (const Operation& operation : operations) {
    switch (operation.outcome) {
      case Outcome::kDelivered:
        ++counts.delivered;
        break;
      case Outcome::kQueued:
        ++counts.queued;
        break;
      case Outcome::kDropped:
        ++counts.dropped;
        break;
      case Outcome::kRejected:
      case Outcome::kUnanswered:
        ++counts.rejected;
        break;
    }
  }
  return counts;
}

// Empty unless a message was not accepted, or was thrown away.
std::string ErrorOf(const std::vector<Operation>& operations, const absl::Status& status) {
  if (!status.ok()) return std::string(status.message());
  for (const Operation& operation : operations) {
    if (operation.outcome == Outcome::kRejected) return std::string(operation.status.message());
    if (operation.outcome == Outcome::kDropped) return "dropped: fail-open mode is on";
  }
  return "";
}

void AddMessages(const std::vector<Operation>& operations, Span* span) {
  std::vector<SpanAttribute>& attributes = span->attributes;
  attributes.push_back({"messaging.batch.message_count", static_cast<int64_t>(operations.size())});
  if (operations.size() == 1) {
    const Message& message = operations.front().message;
    attributes.push_back({"messaging.destination.name", std::string(message.subject)});
    attributes.push_back({"messaging.message.id", std::string(message.message_id)});
  }
  const OutcomeCounts counts = CountOutcomes(operations);
  if (counts.delivered > 0) attributes.push_back({"router.delivered", counts.delivered});
  if (counts.queued > 0) attributes.push_back({"router.queued", counts.queued});
  if (counts.dropped > 0) attributes.push_back({"router.dropped", counts.dropped});
  if (counts.rejected > 0) attributes.push_back({"router.rejected", counts.rejected});
}

}  // namespace

absl::optional<CallerTrace> ReadCallerTrace(const CallMetadata& metadata) {
  const auto found =
      metadata.find(grpc::string_ref(kTraceparentHeader.data(), kTraceparentHeader.size()));
  if (found == metadata.end()) return absl::nullopt;
  if (metadata.count(found->first) > 1) return absl::nullopt;
  const absl::optional<TraceContext> context = ParseTraceparent(TextOf(found->second));
  if (!context.has_value()) return absl::nullopt;
  return CallerTrace{*context, ReadTracestate(metadata)};
}

std::unique_ptr<PublishTrace> PublishTrace::Begin(const absl::optional<CallerTrace>& caller,
                                                  SpanBuffer* spans) {
  if (!caller.has_value()) return nullptr;
  return absl::WrapUnique(new PublishTrace(*caller, caller->context.sampled() ? spans : nullptr));
}

PublishTrace::PublishTrace(const CallerTrace& caller, SpanBuffer* spans)
    : caller_(caller), spans_(spans), context_(caller.context) {
  if (spans_ != nullptr) context_.span_id = spans_->NewSpanId();
  traceparent_ = FormatTraceparent(context_);
  headers_[header_count_++] = {kTraceparentHeader, traceparent_};
  if (!caller_.tracestate.empty()) {
    headers_[header_count_++] = {kTracestateHeader, caller_.tracestate};
  }
}

void PublishTrace::End(absl::string_view method, PublishBatch* batch, const absl::Status& status,
                       absl::Time now, absl::Duration duration) {
  if (spans_ == nullptr) return;
  static const auto* const kNoOperations = new std::vector<Operation>();
  const std::vector<Operation>& operations =
      batch == nullptr ? *kNoOperations : batch->operations();
  Span span;
  span.context = context_;
  span.parent_id = caller_.context.span_id;
  span.tracestate = caller_.tracestate;
  span.name = absl::StrCat(kService, "/", method);
  span.kind = Span::Kind::kServer;
  span.start_time = now - duration;
  span.end_time = now;
  span.attributes = {{"rpc.system", std::string("grpc")},
                     {"rpc.service", std::string(kService)},
                     {"rpc.method", std::string(method)},
                     {"messaging.system", std::string("nats")},
                     {"messaging.operation.type", std::string("send")}};
  AddMessages(operations, &span);
  span.error = ErrorOf(operations, status);
  spans_->Add(std::move(span));
}

}  // namespace router
