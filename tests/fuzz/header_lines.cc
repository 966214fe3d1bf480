// The input as a file of HTTP headers. What is taken is a name, a colon and a value, with nothing
// in it that a server takes for the end of a line.
#include "server/tracing/header_lines.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "tests/fuzz/require.h"

namespace router {
namespace {

bool IsText(char c) { return c == '\t' || absl::ascii_isprint(static_cast<unsigned char>(c)); }

void Fuzz(absl::string_view text) {
  const absl::StatusOr<std::vector<std::string>> headers = ParseHeaderLines(text);
  if (!headers.ok()) {
    Require(absl::EndsWith(headers.status().message(), " is not \"Name: value\""),
            "an error shows nothing of the file");
    return;
  }
  for (const std::string& header : *headers) {
    const size_t colon = header.find(':');
    Require(colon != std::string::npos && colon > 0 && colon + 1 < header.size(), "name and value");
    Require(std::all_of(header.begin(), header.end(), IsText), "no control characters");
  }
  const absl::StatusOr<std::vector<std::string>> again =
      ParseHeaderLines(absl::StrJoin(*headers, "\r\n"));
  Require(again.ok() && *again == *headers, "headers are read as they were written");
}

}  // namespace
}  // namespace router

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  router::Fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
