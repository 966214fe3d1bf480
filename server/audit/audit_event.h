#ifndef ROUTER_SERVER_AUDIT_AUDIT_EVENT_H_
#define ROUTER_SERVER_AUDIT_AUDIT_EVENT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

namespace router {

// Longest text of an event, in bytes.
inline constexpr size_t kAuditTextBytesMax = 4096;

// Outcome of a change that is about to be made; another event has its result.
inline constexpr char kAuditBegun[] = "BEGUN";

// A change that somebody made, or tried to make.
struct AuditEvent {
  std::string
      id;  // 20 digits. Later events have higher ids, compared as text, also after a restart.
  absl::Time time;
  std::string actor;       // The caller's identity and address, or `router`.
  std::string method;      // `SetFailOpenMode`, …
  std::string reason;      // In the caller's words.
  std::string detail;      // What was before and is now, in short.
  std::string outcome;     // `OK`, the code of the error, or kAuditBegun.
  std::string request_id;  // The caller's, if it gave one.
};

// The event as a line of JSON, with its newline. Bytes that are not UTF-8 are replaced.
std::string ToJsonLine(const AuditEvent& event);

// The event in a line of JSON (without newline); nothing if it is not one.
absl::optional<AuditEvent> FromJsonLine(absl::string_view line);

// Ids are numbers, with leading zeros so that their order as text is their order as numbers.
inline constexpr size_t kAuditIdDigits = 20;
std::string MakeAuditId(uint64_t number);
absl::optional<uint64_t> ParseAuditId(absl::string_view id);  // Nothing if it is none.

// What the event takes in memory, about.
int64_t SizeBytes(const AuditEvent& event);

}  // namespace router

#endif  // ROUTER_SERVER_AUDIT_AUDIT_EVENT_H_
