// W3C Trace Context: what the headers `traceparent` and `tracestate` say. Values come from callers:
// whatever is not well-formed is no trace.
#ifndef ROUTER_SERVER_TRACING_TRACE_CONTEXT_H_
#define ROUTER_SERVER_TRACING_TRACE_CONTEXT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "transports/message.h"

namespace router {

inline constexpr absl::string_view kTraceparentHeader = "traceparent";
inline constexpr absl::string_view kTracestateHeader = "tracestate";
inline constexpr size_t kTraceparentBytes = 55;
inline constexpr size_t kTracestateBytesMax = 512;

// Ids as lower-case hexadecimal digits, the form that headers, logs and exported spans have.
using TraceId = std::array<char, 32>;
using SpanId = std::array<char, 16>;

template <size_t kSize>
absl::string_view TextOf(const std::array<char, kSize>& id) {
  return {id.data(), id.size()};
}

// A place in a trace: the span that what follows is a part of.
struct TraceContext {
  TraceId trace_id;
  SpanId span_id;
  uint8_t flags = 0;  // Those that are known: 1 sampled, 2 random trace id.

  bool sampled() const { return (flags & 1) != 0; }
};

// Nothing where `value` is no traceparent: a wrong length or digit, version ff, an id of zeros.
// Of versions above 00, the part that version 00 knows.
absl::optional<TraceContext> ParseTraceparent(absl::string_view value);

// In version 00.
std::string FormatTraceparent(const TraceContext& context);

// Whether `value` is a list as W3C has it, of at most 32 members and kTracestateBytesMax bytes.
bool IsTracestate(absl::string_view value);

// Whether `key` is traceparent or tracestate, in any case.
bool IsTraceHeader(absl::string_view key);

// What a message says about its trace: nothing unless it has exactly one traceparent, well-formed.
absl::optional<TraceContext> FindTraceContext(absl::Span<const Header> headers);
// Its trace id alone, for the log: a view into the header.
absl::optional<absl::string_view> FindTraceId(absl::Span<const Header> headers);

}  // namespace router

#endif  // ROUTER_SERVER_TRACING_TRACE_CONTEXT_H_
