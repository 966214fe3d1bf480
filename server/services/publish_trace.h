// What the metadata of a call says of its trace, the headers that pass it on with the messages, and
// the span that the router makes of the call.
#ifndef ROUTER_SERVER_SERVICES_PUBLISH_TRACE_H_
#define ROUTER_SERVER_SERVICES_PUBLISH_TRACE_H_

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include <grpcpp/server_context.h>
#include <grpcpp/support/string_ref.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "server/base/operation.h"
#include "server/tracing/span_buffer.h"
#include "server/tracing/trace_context.h"

namespace router {

struct CallerTrace {
  TraceContext context;
  std::string tracestate;  // Empty where there is none that is well-formed.
};

using CallMetadata = std::multimap<grpc::string_ref, grpc::string_ref>;

// Nothing where there is not exactly one traceparent, well-formed: the call has no trace then. That
// costs one look-up.
absl::optional<CallerTrace> ReadCallerTrace(const CallMetadata& metadata);
inline absl::optional<CallerTrace> ReadCallerTrace(const grpc::ServerContext& server_context) {
  return ReadCallerTrace(server_context.client_metadata());
}

// The part that a call, or a frame of a stream, has in its caller's trace.
class PublishTrace {
 public:
  // Null where `caller` has no trace. Where `spans` is not null and the caller's span is sampled,
  // End records a span, and what follows the messages is a part of that one; otherwise they carry
  // the caller's span as it came.
  static std::unique_ptr<PublishTrace> Begin(const absl::optional<CallerTrace>& caller,
                                             SpanBuffer* spans);

  // For every message; views of this object.
  absl::Span<const Header> headers() const {
    return absl::MakeConstSpan(headers_.data(), header_count_);
  }

  // The call is about to be answered with `status`. `batch` is null where it had none.
  void End(absl::string_view method, PublishBatch* batch, const absl::Status& status,
           absl::Time now, absl::Duration duration);

 private:
  PublishTrace(const CallerTrace& caller, SpanBuffer* spans);

  const CallerTrace caller_;
  SpanBuffer* const spans_;  // Null: no span is recorded.
  TraceContext context_;     // What the messages carry.
  std::string traceparent_;
  std::array<Header, 2> headers_;
  size_t header_count_ = 0;
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_PUBLISH_TRACE_H_
