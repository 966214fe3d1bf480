#include "server/access/denial_log.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/errors/errors.h"

namespace router {
namespace {

constexpr char kOthers[] = "(others)";

}  // namespace

void DenialLog::Add(const Denial& denial) {
  const std::string reason = error::ReasonOf(denial.error);
  Count(denial.error, denial.count);
  LogOne(denial, reason);
  if (denial.identity.empty()) return;
  absl::MutexLock lock(&mutex_);
  Key key(denial.identity, std::string(denial.method), reason);
  if (entries_.size() >= kKeysMax && entries_.count(key) == 0) std::get<0>(key) = kOthers;
  Entry& entry = entries_[std::move(key)];
  if (entry.count == 0) {
    entry.first.actor = absl::StrCat(denial.identity, " ", denial.address);
    entry.first.method = std::string(denial.method);
    entry.first.detail = std::string(denial.error.message());
    entry.first.outcome = absl::StatusCodeToString(denial.error.code());
  }
  entry.count += denial.count;
}

void DenialLog::Count(const absl::Status& error, int64_t count) {
  const std::string reason = error::ReasonOf(error);
  AccessDeniedCounters& counters = metrics_->access_denied;
  Counter& counter = absl::IsUnauthenticated(error)     ? counters.unauthenticated
                     : reason == "SUBJECT_NOT_ALLOWED"  ? counters.subject
                     : reason == "PAYLOADS_NOT_ALLOWED" ? counters.payloads
                                                        : counters.method;
  counter.Increment(count);
}

void DenialLog::LogOne(const Denial& denial, const std::string& reason) {
  log_->RepeatingEvent(LogLevel::kWarn, "ACCESS_DENIED", denial.error.message(),
                       {{"identity", denial.identity},
                        {"address", denial.address},
                        {"method", denial.method},
                        {"reason", reason},
                        {"detail", denial.detail},
                        {"count", denial.count}});
}

void DenialLog::Flush() {
  std::vector<AuditEvent> events;
  {
    absl::MutexLock lock(&mutex_);
    const SteadyTime now = clock_->SteadyNow();
    for (auto it = entries_.begin(); it != entries_.end();) {
      Entry& entry = it->second;
      if (now < entry.next_time) {
        ++it;
      } else if (entry.count == 0) {
        it = entries_.erase(it);
      } else {
        if (entry.count > 1) {
          absl::StrAppend(&entry.first.detail, " (", entry.count, " times)");
        }
        events.push_back(std::exchange(entry.first, AuditEvent()));
        entry.count = 0;
        entry.next_time = now + absl::ToChronoNanoseconds(kInterval);
        ++it;
      }
    }
  }
  for (AuditEvent& event : events) {
    const absl::Status status = audit_->Record(std::move(event)).status();
    if (!status.ok()) {
      log_->RepeatingEvent(LogLevel::kError, "AUDIT_LOG_ERROR",
                           "a denial could not be written into the audit log",
                           {{"reason", status.message()}});
    }
  }
}

}  // namespace router
