#include "server/tracing/trace_context.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace router {
namespace {

// version "-" trace id "-" parent id "-" flags
constexpr size_t kTraceIdAt = 3;
constexpr size_t kSpanIdAt = 36;
constexpr size_t kFlagsAt = 53;
constexpr uint8_t kKnownFlags = 0x03;

constexpr int kTracestateMembersMax = 32;
constexpr size_t kKeyBytesMax = 256;
constexpr size_t kValueBytesMax = 256;

bool IsHexDigit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

int HexValue(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

bool IsHex(absl::string_view text) { return std::all_of(text.begin(), text.end(), IsHexDigit); }

bool IsZeros(absl::string_view text) {
  return text.find_first_not_of('0') == absl::string_view::npos;
}

template <size_t kSize>
bool TakeId(absl::string_view value, size_t at, std::array<char, kSize>* id) {
  const absl::string_view text = value.substr(at, kSize);
  if (!IsHex(text) || IsZeros(text)) return false;
  std::copy(text.begin(), text.end(), id->begin());
  return true;
}

bool IsLowerOrDigit(char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); }

// simple-key, or tenant "@" system, which are told apart by nothing that matters here.
bool IsTracestateKey(absl::string_view key) {
  if (key.empty() || key.size() > kKeyBytesMax || !IsLowerOrDigit(key.front())) return false;
  return std::all_of(key.begin(), key.end(), [](char c) {
    return IsLowerOrDigit(c) || c == '_' || c == '-' || c == '*' || c == '/' || c == '@';
  });
}

bool IsTracestateValue(absl::string_view value) {
  if (value.empty() || value.size() > kValueBytesMax || value.back() == ' ') return false;
  return std::all_of(value.begin(), value.end(),
                     [](char c) { return c >= ' ' && c <= '~' && c != ',' && c != '='; });
}

bool IsOptionalSpace(char c) { return c == ' ' || c == '\t'; }

absl::string_view WithoutOptionalSpace(absl::string_view text) {
  while (!text.empty() && IsOptionalSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsOptionalSpace(text.back())) text.remove_suffix(1);
  return text;
}

// The value of the only traceparent; nothing where there is none, or more than one.
absl::optional<absl::string_view> OnlyTraceparent(absl::Span<const Header> headers) {
  absl::optional<absl::string_view> found;
  for (const Header& header : headers) {
    if (!absl::EqualsIgnoreCase(header.key, kTraceparentHeader)) continue;
    if (found.has_value()) return absl::nullopt;
    found = header.value;
  }
  return found;
}

}  // namespace

absl::optional<TraceContext> ParseTraceparent(absl::string_view value) {
  if (value.size() < kTraceparentBytes) return absl::nullopt;
  const absl::string_view version = value.substr(0, 2);
  if (!IsHex(version) || version == "ff") return absl::nullopt;
  if (value.size() > kTraceparentBytes && (version == "00" || value[kTraceparentBytes] != '-')) {
    return absl::nullopt;
  }
  for (const size_t at : {kTraceIdAt, kSpanIdAt, kFlagsAt}) {
    if (value[at - 1] != '-') return absl::nullopt;
  }
  TraceContext context;
  if (!TakeId(value, kTraceIdAt, &context.trace_id)) return absl::nullopt;
  if (!TakeId(value, kSpanIdAt, &context.span_id)) return absl::nullopt;
  const absl::string_view flags = value.substr(kFlagsAt, 2);
  if (!IsHex(flags)) return absl::nullopt;
  context.flags =
      static_cast<uint8_t>((HexValue(flags[0]) << 4 | HexValue(flags[1])) & kKnownFlags);
  return context;
}

std::string FormatTraceparent(const TraceContext& context) {
  return absl::StrCat("00-", TextOf(context.trace_id), "-", TextOf(context.span_id), "-",
                      absl::Hex(context.flags, absl::kZeroPad2));
}

bool IsTracestate(absl::string_view value) {
  if (value.empty() || value.size() > kTracestateBytesMax) return false;
  int members = 0;
  for (absl::string_view member : absl::StrSplit(value, ',')) {
    member = WithoutOptionalSpace(member);
    if (member.empty()) continue;  // Allowed.
    const size_t equals = member.find('=');
    if (equals == absl::string_view::npos || !IsTracestateKey(member.substr(0, equals)) ||
        !IsTracestateValue(member.substr(equals + 1))) {
      return false;
    }
    ++members;
  }
  return members > 0 && members <= kTracestateMembersMax;
}

bool IsTraceHeader(absl::string_view key) {
  return absl::EqualsIgnoreCase(key, kTraceparentHeader) ||
         absl::EqualsIgnoreCase(key, kTracestateHeader);
}

absl::optional<TraceContext> FindTraceContext(absl::Span<const Header> headers) {
  const absl::optional<absl::string_view> value = OnlyTraceparent(headers);
  return value.has_value() ? ParseTraceparent(*value) : absl::nullopt;
}

absl::optional<absl::string_view> FindTraceId(absl::Span<const Header> headers) {
  const absl::optional<absl::string_view> value = OnlyTraceparent(headers);
  if (!value.has_value() || !ParseTraceparent(*value).has_value()) return absl::nullopt;
  return value->substr(kTraceIdAt, TraceId().size());
}

}  // namespace router
