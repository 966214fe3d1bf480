#ifndef ROUTER_SERVER_MODE_FAIL_OPEN_SWITCH_H_
#define ROUTER_SERVER_MODE_FAIL_OPEN_SWITCH_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/audit/audit_log.h"
#include "server/audit/audited_change.h"
#include "server/log/logger.h"
#include "server/mode/mode_controller.h"

namespace router {

// The one way in which fail-open mode changes, whoever asks for it: an operator, a time limit that
// has passed, or the exhausted budget of attempts to connect. Every change is logged and audited,
// refused ones too. Thread-safe. Borrows what it is given.
class FailOpenSwitch {
 public:
  struct Changed {
    FailOpenState state;
    std::string audit_event_id;  // Empty where nothing was changed.
  };

  FailOpenSwitch(ModeController* mode, AuditLog* audit, Logger* log)
      : mode_(mode), audit_(audit), log_(log) {}

  // Makes the change, or only checks it. Errors: those of ModeController::Set; STATE_IO_ERROR also
  // where it cannot be written down that it begins, and is not made; AUDIT_INCOMPLETE: it was made,
  // and that cannot be written down.
  absl::StatusOr<Changed> Change(const ModeChange& change, absl::string_view request_id,
                                 bool validate_only);

  // Ends a mode whose time has come. Call every few ten ms.
  void Tick();

  // Turns fail-open mode on because the broker could not be reached in all attempts allowed; also
  // where that cannot be written down.
  void OnExhausted();

  FailOpenState state() const { return mode_->state(); }

 private:
  // Logs and audits a change that the router has made by itself.
  void Tell(const FailOpenState& before, const FailOpenState& state);
  AuditedChange Audited(absl::string_view actor, absl::string_view reason,
                        absl::string_view request_id);
  void LogChange(const FailOpenState& state);

  ModeController* const mode_;
  AuditLog* const audit_;
  Logger* const log_;
};

}  // namespace router

#endif  // ROUTER_SERVER_MODE_FAIL_OPEN_SWITCH_H_
