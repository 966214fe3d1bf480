// The input as a traceparent, a tracestate and the header of a message. What is taken comes out as
// it went in, as far as version 00 knows it, and has nothing in it that a header could not bear.
#include "server/tracing/trace_context.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "tests/fuzz/require.h"

namespace router {
namespace {

bool IsPrintable(char c) { return (c >= ' ' && c <= '~') || c == '\t'; }

void FuzzTraceparent(absl::string_view text) {
  const absl::optional<TraceContext> context = ParseTraceparent(text);
  const Header headers[] = {{"traceparent", text}};
  Require(FindTraceContext(headers).has_value() == context.has_value(), "one reading");
  Require(FindTraceId(headers).has_value() == context.has_value(), "one reading of the id");
  if (!context.has_value()) return;
  Require(*FindTraceId(headers) == TextOf(context->trace_id), "the same id");
  const std::string formatted = FormatTraceparent(*context);
  Require(formatted.size() == kTraceparentBytes, "the length");
  Require(formatted.substr(2, 50) == text.substr(2, 50), "the same ids");
  const absl::optional<TraceContext> again = ParseTraceparent(formatted);
  Require(again.has_value() && FormatTraceparent(*again) == formatted, "twice is as good as once");
}

void FuzzTracestate(absl::string_view text) {
  if (!IsTracestate(text)) return;
  Require(text.size() <= kTracestateBytesMax, "the length of a tracestate");
  Require(std::all_of(text.begin(), text.end(), IsPrintable), "no control characters");
}

}  // namespace
}  // namespace router

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  router::FuzzTraceparent(text);
  router::FuzzTracestate(text);
  return 0;
}
