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

std::string ChangeText(const FailOpenState& before, const FailOpenState& after) {
  return absl::StrCat(StateText(before), " → ", StateText(after));
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
  AuditedChange audited = Audited(change.actor, change.reason, request_id);
  const absl::StatusOr<FailOpenState> planned = mode_->Check(change);
  if (planned.ok()) {
    absl::Status begun = audited.Begin(ChangeText(before, *planned));
    if (!begun.ok()) return begun;
  }
  absl::StatusOr<FailOpenState> state = mode_->Set(change);
  if (!state.ok()) {
    // The caller is told of the refusal, which says more than that it could not be written down.
    audited.End(std::string(state.status().message()), state.status()).IgnoreError();
    return state.status();
  }
  LogChange(*state);
  absl::StatusOr<std::string> event_id = audited.End(ChangeText(before, *state), absl::OkStatus());
  if (!event_id.ok()) return event_id.status();
  return Changed{*std::move(state), *std::move(event_id)};
}

void FailOpenSwitch::Tick() {
  const FailOpenState before = mode_->state();
  const absl::optional<FailOpenState> expired = mode_->Tick();
  if (expired.has_value()) Tell(before, *expired);
}

void FailOpenSwitch::OnExhausted() {
  if (mode_->enabled()) return;
  ModeChange change;
  change.enabled = true;
  change.actor = kRouterActor;
  change.reason = "the broker could not be reached in all attempts allowed (nats_on_exhausted)";
  const FailOpenState before = mode_->state();
  const absl::StatusOr<FailOpenState> state = mode_->Set(change);
  if (state.ok()) return Tell(before, *state);
  Audited(kRouterActor, change.reason, "")
      .End(std::string(state.status().message()), state.status())
      .IgnoreError();
}

void FailOpenSwitch::Tell(const FailOpenState& before, const FailOpenState& state) {
  LogChange(state);
  Audited(kRouterActor, state.reason, "")
      .End(ChangeText(before, state), absl::OkStatus())
      .IgnoreError();
}

AuditedChange FailOpenSwitch::Audited(absl::string_view actor, absl::string_view reason,
                                      absl::string_view request_id) {
  AuditEvent event;
  event.actor = std::string(actor);
  event.method = kMethod;
  event.reason = std::string(reason);
  event.request_id = std::string(request_id);
  return AuditedChange(audit_, std::move(event));
}

void FailOpenSwitch::LogChange(const FailOpenState& state) {
  log_->Event(
      state.enabled ? LogLevel::kWarn : LogLevel::kInfo,
      state.enabled ? "NATS_FAIL_OPEN_ENABLED" : "NATS_FAIL_OPEN_DISABLED",
      state.enabled ? "messages that cannot be delivered are dropped from now on"
                    : "messages that cannot be delivered are queued from now on",
      {{"actor", state.actor}, {"reason", state.reason}, {"expire_time", ExpireText(state)}});
}

}  // namespace router
