#include "server/tracing/otlp_json.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "server/log/json_text.h"

namespace router {
namespace {

constexpr int kStatusError = 2;
// Of the field `flags`, beside those of W3C: the parent is in another process.
constexpr int kParentIsRemote = 0x300;
constexpr size_t kTextBytesMax = 2048;

void AppendString(absl::string_view text, std::string* out) {
  AppendJsonString(text, kTextBytesMax, *out);
}

void AppendAttribute(absl::string_view key, absl::string_view value, std::string* out) {
  absl::StrAppend(out, "{\"key\":");
  AppendString(key, out);
  absl::StrAppend(out, ",\"value\":{\"stringValue\":");
  AppendString(value, out);
  absl::StrAppend(out, "}}");
}

void AppendAttribute(const SpanAttribute& attribute, std::string* out) {
  if (const std::string* text = absl::get_if<std::string>(&attribute.value)) {
    return AppendAttribute(attribute.key, *text, out);
  }
  absl::StrAppend(out, "{\"key\":");
  AppendString(attribute.key, out);
  absl::StrAppend(out, ",\"value\":{\"intValue\":\"", absl::get<int64_t>(attribute.value), "\"}}");
}

void AppendSpan(const Span& span, std::string* out) {
  absl::StrAppend(out, "{\"traceId\":\"", TextOf(span.context.trace_id), "\",\"spanId\":\"",
                  TextOf(span.context.span_id), "\",\"parentSpanId\":\"", TextOf(span.parent_id),
                  "\",\"flags\":", kParentIsRemote | span.context.flags);
  if (!span.tracestate.empty()) {
    absl::StrAppend(out, ",\"traceState\":");
    AppendString(span.tracestate, out);
  }
  absl::StrAppend(out, ",\"name\":");
  AppendString(span.name, out);
  absl::StrAppend(out, ",\"kind\":", static_cast<int>(span.kind), ",\"startTimeUnixNano\":\"",
                  absl::ToUnixNanos(span.start_time), "\",\"endTimeUnixNano\":\"",
                  absl::ToUnixNanos(span.end_time), "\",\"attributes\":[");
  const char* separator = "";
  for (const SpanAttribute& attribute : span.attributes) {
    absl::StrAppend(out, separator);
    AppendAttribute(attribute, out);
    separator = ",";
  }
  absl::StrAppend(out, "],\"status\":{");
  if (!span.error.empty()) {
    absl::StrAppend(out, "\"code\":", kStatusError, ",\"message\":");
    AppendString(span.error, out);
  }
  absl::StrAppend(out, "}}");
}

}  // namespace

std::string OtlpJson(const OtlpResource& resource, absl::Span<const Span> spans) {
  std::string out = "{\"resourceSpans\":[{\"resource\":{\"attributes\":[";
  const char* separator = "";
  for (const auto& [key, value] : resource.attributes) {
    absl::StrAppend(&out, separator);
    AppendAttribute(key, value, &out);
    separator = ",";
  }
  absl::StrAppend(&out, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"router\",\"version\":");
  AppendString(resource.version, &out);
  absl::StrAppend(&out, "},\"spans\":[");
  separator = "";
  for (const Span& span : spans) {
    absl::StrAppend(&out, separator);
    AppendSpan(span, &out);
    separator = ",";
  }
  absl::StrAppend(&out, "]}]}]}");
  return out;
}

}  // namespace router
