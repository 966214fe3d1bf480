#include "server/tracing/header_lines.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"

namespace router {
namespace {

// The header in a line, without the white space around its value; nothing where there is none.
absl::optional<std::string> HeaderIn(absl::string_view line) {
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos || colon == 0) return absl::nullopt;
  const absl::string_view name = line.substr(0, colon);
  const bool is_token = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) ||
           absl::string_view("!#$%&'*+-.^_`|~").find(c) != absl::string_view::npos;
  });
  const absl::string_view value = absl::StripAsciiWhitespace(line.substr(colon + 1));
  const bool is_text = std::all_of(value.begin(), value.end(),
                                   [](char c) { return c == '\t' || absl::ascii_isprint(c); });
  if (!is_token || !is_text || value.empty()) return absl::nullopt;
  return absl::StrCat(name, ": ", value);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseHeaderLines(absl::string_view text) {
  std::vector<std::string> headers;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    absl::ConsumeSuffix(&line, "\r");
    if (line.empty()) continue;
    absl::optional<std::string> header = HeaderIn(line);
    if (!header.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, " is not \"Name: value\""));
    }
    headers.push_back(*std::move(header));
  }
  return headers;
}

}  // namespace router
