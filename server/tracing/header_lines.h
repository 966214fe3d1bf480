#ifndef ROUTER_SERVER_TRACING_HEADER_LINES_H_
#define ROUTER_SERVER_TRACING_HEADER_LINES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace router {

// The HTTP headers in a text with one "Name: value" per line, without white space around values;
// empty lines are passed over.
// INVALID_ARGUMENT names the line that is none, never what is in it: values are secrets.
absl::StatusOr<std::vector<std::string>> ParseHeaderLines(absl::string_view text);

}  // namespace router

#endif  // ROUTER_SERVER_TRACING_HEADER_LINES_H_
