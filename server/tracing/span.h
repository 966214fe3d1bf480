#ifndef ROUTER_SERVER_TRACING_SPAN_H_
#define ROUTER_SERVER_TRACING_SPAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/variant.h"
#include "server/tracing/trace_context.h"

namespace router {

struct SpanAttribute {
  absl::string_view key;  // A constant of the program.
  absl::variant<std::string, int64_t> value;
};

// A finished piece of work of the router, as tracing backends know it. Never holds payload.
struct Span {
  // The numbers of OTLP.
  enum class Kind { kServer = 2, kProducer = 4 };

  TraceContext context;  // `span_id` is its own.
  SpanId parent_id;      // In another process.
  std::string tracestate;
  std::string name;
  Kind kind = Kind::kServer;
  absl::Time start_time;
  absl::Time end_time;
  std::vector<SpanAttribute> attributes;
  std::string error;  // Empty: it went well.
};

}  // namespace router

#endif  // ROUTER_SERVER_TRACING_SPAN_H_
