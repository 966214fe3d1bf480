#include "server/tracing/header_lines.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace router {
namespace {

bool IsHeader(absl::string_view line) {
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos || colon == 0) return false;
  const absl::string_view name = line.substr(0, colon);
  const bool is_token = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) ||
           absl::string_view("!#$%&'*+-.^_`|~").find(c) != absl::string_view::npos;
  });
  const absl::string_view value = absl::StripAsciiWhitespace(line.substr(colon + 1));
  const bool is_text = std::all_of(value.begin(), value.end(),
                                   [](char c) { return c == '\t' || absl::ascii_isprint(c); });
  return is_token && is_text && !value.empty();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseHeaderLines(absl::string_view text) {
  std::vector<std::string> headers;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    absl::ConsumeSuffix(&line, "\r");
    if (line.empty()) continue;
    if (!IsHeader(line)) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, " is not \"Name: value\""));
    }
    headers.emplace_back(line);
  }
  return headers;
}

}  // namespace router
