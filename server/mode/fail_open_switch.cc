#include "server/mode/fail_open_switch.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace router {
namespace {

constexpr char kMethod[] = "SetFailOpenMode";
constexpr char kRouterActor[] = "router";

std::string ExpireText(const FailOpenState& state) {
  if (state.expire_time == absl::InfiniteFuture()) return "never";
  return absl::FormatTime(absl::RFC3339_full, state.expire_time, absl::UTCTimeZone());
}

std::string StateText(const FailOpenState& state) {
  return state.enabled ? absl::StrCat("on, expires ", ExpireText(state)) : "off";
}

}  // namespace

absl::StatusOr<FailOpenSwitch::Changed> FailOpenSwitch::Change(const ModeChange& change,
                                                               absl::string_view request_id,
                                                               bool validate_only) {
  if (validate_only) {
    absl::StatusOr<FailOpenState> state = mode_->Check(change);
    if (!state.ok()) return state.status();
    return Changed{*std::move(state), ""};
  }
  const FailOpenState before = mode_->state();
  absl::StatusOr<FailOpenState> state = mode_->Set(change);
  if (!state.ok()) {
    AuditEvent event;
    event.actor = change.actor;
    event.method = kMethod;
    event.reason = change.reason;
    event.detail = std::string(state.status().message());
    event.outcome = absl::StatusCodeToString(state.status().code());
    event.request_id = std::string(request_id);
    // The caller is told of the refusal, which says more than that it could not be written down.
    audit_->Record(std::move(event)).IgnoreError();
    return state.status();
  }
  absl::StatusOr<std::string> event_id = Announce(before, *state, state->actor, request_id);
  if (!event_id.ok()) return event_id.status();
  return Changed{*std::move(state), *std::move(event_id)};
}

void FailOpenSwitch::Tick() {
  const FailOpenState before = mode_->state();
  const absl::optional<FailOpenState> expired = mode_->Tick();
  if (expired.has_value()) Announce(before, *expired, kRouterActor, "").IgnoreError();
}

void FailOpenSwitch::OnExhausted() {
  if (mode_->enabled()) return;
  ModeChange change;
  change.enabled = true;
  change.actor = kRouterActor;
  change.reason = "the broker could not be reached in all attempts allowed (nats_on_exhausted)";
  Change(change, "", false).IgnoreError();
}

absl::StatusOr<std::string> FailOpenSwitch::Announce(const FailOpenState& before,
                                                     const FailOpenState& state,
                                                     absl::string_view actor,
                                                     absl::string_view request_id) {
  log_->Event(
      state.enabled ? LogLevel::kWarn : LogLevel::kInfo,
      state.enabled ? "NATS_FAIL_OPEN_ENABLED" : "NATS_FAIL_OPEN_DISABLED",
      state.enabled ? "messages that cannot be delivered are dropped from now on"
                    : "messages that cannot be delivered are queued from now on",
      {{"actor", state.actor}, {"reason", state.reason}, {"expire_time", ExpireText(state)}});
  AuditEvent event;
  event.actor = std::string(actor);
  event.method = kMethod;
  event.reason = state.reason;
  event.detail = absl::StrCat(StateText(before), " → ", StateText(state));
  event.outcome = "OK";
  event.request_id = std::string(request_id);
  return audit_->Record(std::move(event));
}

}  // namespace router
