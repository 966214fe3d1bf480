// The input as what a router has written before it was started again: a line of the audit log, the
// mode, and the log of damage. What can be read is written again as it was.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "server/audit/audit_event.h"
#include "server/mode/mode_json.h"
#include "server/pending/damage_log.h"
#include "tests/fuzz/require.h"

namespace router {
namespace {

void FuzzAuditLine(absl::string_view line) {
  const absl::optional<AuditEvent> event = FromJsonLine(line);
  if (!event.has_value()) return;
  Require(MakeAuditId(*ParseAuditId(event->id)) == event->id, "ids have one form");
  const std::string written = ToJsonLine(*event);
  Require(written.find('\n') == written.size() - 1, "one line");
  const absl::optional<AuditEvent> again = FromJsonLine(absl::StripSuffix(written, "\n"));
  Require(again.has_value(), "what is written can be read");
  Require(again->id == event->id && again->time == event->time, "the same event");
  Require(again->actor == event->actor && again->method == event->method &&
              again->reason == event->reason && again->detail == event->detail &&
              again->outcome == event->outcome && again->request_id == event->request_id,
          "the same texts");
  Require(SizeBytes(*again) == SizeBytes(*event), "the same size");
}

void FuzzMode(absl::string_view text) {
  const absl::optional<FailOpenState> state = ModeFromJson(text);
  if (!state.has_value()) return;
  const absl::optional<FailOpenState> again = ModeFromJson(ModeToJson(*state));
  Require(again.has_value() && *again == *state, "the mode is written as it was read");
}

void FuzzDamage(absl::string_view text) {
  QueueDamage damage;
  int64_t before = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    AddFinding(line, &damage);
    Require(damage.records >= before, "damage does not become less");
    before = damage.records;
  }
}

void Fuzz(absl::string_view input) {
  FuzzAuditLine(input);
  FuzzMode(input);
  FuzzDamage(input);
}

}  // namespace
}  // namespace router

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  router::Fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
