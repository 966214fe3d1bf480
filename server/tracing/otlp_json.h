#ifndef ROUTER_SERVER_TRACING_OTLP_JSON_H_
#define ROUTER_SERVER_TRACING_OTLP_JSON_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "server/tracing/span.h"

namespace router {

// Who the spans are of.
struct OtlpResource {
  std::string version;                                          // Of the router.
  std::vector<std::pair<std::string, std::string>> attributes;  // Such as service.name.
};

// An ExportTraceServiceRequest of OTLP in its JSON form: ids as hexadecimal digits, 64-bit numbers
// as strings. Bytes that are not UTF-8 come out as U+FFFD.
std::string OtlpJson(const OtlpResource& resource, absl::Span<const Span> spans);

}  // namespace router

#endif  // ROUTER_SERVER_TRACING_OTLP_JSON_H_
