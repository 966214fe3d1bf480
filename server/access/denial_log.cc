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
  Count(denial, reason);
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

void DenialLog::Count(const Denial& denial, const std::string& reason) {
  AccessDeniedCounters& counters = metrics_->access_denied;
  Counter& counter = absl::IsUnauthenticated(denial.error) ? counters.unauthenticated
                     : reason == "SUBJECT_NOT_ALLOWED"     ? counters.subject
                     : reason == "PAYLOADS_NOT_ALLOWED"    ? counters.payloads
                                                           : counters.method;
  counter.Increment(denial.count);
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

void DenialLog::Flush(SteadyTime until) {
  std::vector<std::pair<Key, Entry>> due;
  {
    absl::MutexLock lock(&mutex_);
    const SteadyTime now = clock_->SteadyNow();
    for (auto it = entries_.begin(); it != entries_.end();) {
      Entry& entry = it->second;
      if (until < entry.next_time) {
        ++it;
      } else if (entry.count == 0) {
        it = entries_.erase(it);
      } else {
        due.emplace_back(it->first, entry);
        entry.count = 0;
        entry.next_time = now + absl::ToChronoNanoseconds(kInterval);
        ++it;
      }
    }
  }
  for (const auto& [key, entry] : due) {
    if (!Write(entry)) PutBack(key, entry);
  }
}

bool DenialLog::Write(const Entry& entry) {
  AuditEvent event = entry.first;
  if (entry.count > 1) absl::StrAppend(&event.detail, " (", entry.count, " times)");
  return audit_->Record(std::move(event)).ok();
}

void DenialLog::PutBack(const Key& key, const Entry& entry) {
  absl::MutexLock lock(&mutex_);
  Entry& now = entries_[key];
  now.first = entry.first;
  now.count += entry.count;
  now.next_time = entry.next_time;
}

}  // namespace router
