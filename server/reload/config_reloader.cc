#include "server/reload/config_reloader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/errors/errors.h"

namespace router {
namespace {

constexpr char kMethod[] = "ReloadConfig";

// Adds the lines of an error that are not there yet: a file may be read for two reasons.
void AddLines(const absl::Status& error, std::vector<std::string>* lines) {
  if (error.ok()) return;
  for (const absl::string_view line : absl::StrSplit(error.message(), '\n')) {
    if (std::find(lines->begin(), lines->end(), line) == lines->end()) lines->emplace_back(line);
  }
}

// "log_level: info → debug, …"; "none".
std::string ChangesText(const std::vector<SettingChange>& changes) {
  if (changes.empty()) return "none";
  return absl::StrJoin(changes, ", ", [](std::string* out, const SettingChange& change) {
    absl::StrAppend(out, change.name, ": ", change.before, " → ", change.after);
  });
}

std::string NamesText(const std::vector<SettingChange>& changes) {
  if (changes.empty()) return "none";
  return absl::StrJoin(changes, ", ", [](std::string* out, const SettingChange& change) {
    absl::StrAppend(out, change.name);
  });
}

}  // namespace

ConfigReloader::ConfigReloader(LoadedConfig running, Hooks hooks, Clock* clock, Logger* log,
                               Metrics* metrics, AuditLog* audit)
    : hooks_(std::move(hooks)),
      clock_(clock),
      log_(log),
      metrics_(metrics),
      audit_(audit),
      running_(std::move(running)),
      read_time_(clock->WallNow()) {}

absl::StatusOr<ConfigReloader::Reloaded> ConfigReloader::Reload(const Request& request) {
  absl::MutexLock reload_lock(&reload_mutex_);
  absl::StatusOr<Candidate> candidate = Read();
  if (!candidate.ok()) {
    return request.validate_only ? candidate.status() : Fail(request, candidate.status());
  }
  Reloaded reloaded;
  {
    absl::MutexLock lock(&mutex_);
    reloaded.difference = Compare(running_.settings, candidate->config.settings);
  }
  if (request.validate_only) return reloaded;
  const std::string applied = ChangesText(reloaded.difference.reloadable);
  const std::string needs_restart = NamesText(reloaded.difference.needs_restart);
  // Before the change: it cannot fail, and this can.
  absl::StatusOr<std::string> id =
      Audit(request, absl::StrCat("changed ", applied, "; needs a restart: ", needs_restart),
            absl::OkStatus());
  if (!id.ok()) return Fail(request, id.status());
  reloaded.audit_event_id = *std::move(id);
  Apply(*std::move(candidate));
  log_->Event(LogLevel::kInfo, "CONFIG_RELOADED", "the configuration was read again",
              {{"actor", request.actor}, {"changed", applied}, {"needs_restart", needs_restart}});
  return reloaded;
}

absl::StatusOr<ConfigReloader::Candidate> ConfigReloader::Read() const {
  absl::StatusOr<LoadedConfig> config = hooks_.load();
  absl::StatusOr<std::function<void()>> use_files = hooks_.read_files();
  std::vector<std::string> errors;
  AddLines(config.status(), &errors);
  AddLines(use_files.status(), &errors);
  if (!errors.empty()) return error::ConfigInvalid(errors);
  return Candidate{*std::move(config), *std::move(use_files)};
}

void ConfigReloader::Apply(Candidate candidate) {
  Settings settings;
  {
    absl::MutexLock lock(&mutex_);
    TakeReloadable(candidate.config, &running_);
    settings = running_.settings;
    read_time_ = clock_->WallNow();
    last_ok_ = true;
  }
  candidate.use_files();
  hooks_.apply(settings);
  metrics_->config_reloads.ok.Increment();
}

absl::StatusOr<std::string> ConfigReloader::Audit(const Request& request, std::string detail,
                                                  const absl::Status& outcome) {
  AuditEvent event;
  event.actor = request.actor;
  event.method = kMethod;
  event.reason = request.reason;
  event.detail = std::move(detail);
  event.outcome = absl::StatusCodeToString(outcome.code());
  event.request_id = request.request_id;
  return audit_->Record(std::move(event));
}

absl::Status ConfigReloader::Fail(const Request& request, absl::Status why) {
  {
    absl::MutexLock lock(&mutex_);
    last_ok_ = false;
  }
  metrics_->config_reloads.failed.Increment();
  log_->Event(LogLevel::kError, "CONFIG_RELOAD_FAILED",
              "the configuration cannot be used; everything stays as it was",
              {{"actor", request.actor}, {"reason", why.message()}});
  // The caller is told of the refusal, which says more than that it could not be written down.
  Audit(request, std::string(why.message()), why).IgnoreError();
  return why;
}

std::vector<EffectiveSetting> ConfigReloader::effective() const {
  absl::MutexLock lock(&mutex_);
  return running_.effective;
}

absl::Time ConfigReloader::read_time() const {
  absl::MutexLock lock(&mutex_);
  return read_time_;
}

bool ConfigReloader::last_ok() const {
  absl::MutexLock lock(&mutex_);
  return last_ok_;
}

}  // namespace router
