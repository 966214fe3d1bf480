#include "server/log/json_text.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace router {
namespace {

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD.
constexpr absl::string_view kEllipsis = "\xE2\x80\xA6";     // U+2026.

bool IsContinuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// Length of the well-formed UTF-8 sequence that `text` begins with; 0: there is none.
size_t Utf8SequenceLength(absl::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!IsContinuation(byte(i))) return 0;
  }
  const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool surrogate = lead == 0xED && byte(1) > 0x9F;
  const bool beyond_unicode = lead == 0xF4 && byte(1) > 0x8F;
  return overlong || surrogate || beyond_unicode ? 0 : length;
}

// The JSON notation of one character, which has been checked. `scratch` is where it may be written.
absl::string_view Escaped(absl::string_view character, std::string& scratch) {
  switch (character[0]) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      break;
  }
  const unsigned char code = static_cast<unsigned char>(character[0]);
  if (code >= 0x20 && code != 0x7F) return character;
  scratch = absl::StrFormat("\\u%04x", code);
  return scratch;
}

}  // namespace

bool AppendJsonString(absl::string_view text, size_t bytes_max, std::string& out) {
  constexpr size_t kQuotesBytes = 2;
  const size_t end_max = out.size() + bytes_max - kQuotesBytes + 1;
  size_t cut_at = out.size() + 1;  // The last place at which an ellipsis still fits.
  std::string scratch;
  out.push_back('"');
  while (!text.empty()) {
    const size_t length = Utf8SequenceLength(text);
    const absl::string_view escaped =
        length == 0 ? kReplacement : Escaped(text.substr(0, length), scratch);
    if (out.size() + escaped.size() > end_max) {
      out.resize(cut_at);
      absl::StrAppend(&out, kEllipsis, "\"");
      return false;
    }
    absl::StrAppend(&out, escaped);
    if (out.size() + kEllipsis.size() <= end_max) cut_at = out.size();
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out.push_back('"');
  return true;
}

bool AppendJsonValue(const LogField::Value& value, size_t bytes_max, std::string& out) {
  if (const auto* text = absl::get_if<absl::string_view>(&value)) {
    return AppendJsonString(*text, bytes_max, out);
  }
  if (const auto* number = absl::get_if<int64_t>(&value)) {
    absl::StrAppend(&out, *number);
  } else if (const auto* number = absl::get_if<uint64_t>(&value)) {
    absl::StrAppend(&out, *number);
  } else if (const auto* number = absl::get_if<double>(&value)) {
    if (std::isfinite(*number)) {
      absl::StrAppendFormat(&out, "%.15g", *number);
    } else {
      absl::StrAppendFormat(&out, "\"%g\"", *number);
    }
  } else {
    out += absl::get<bool>(value) ? "true" : "false";
  }
  return true;
}

}  // namespace router
