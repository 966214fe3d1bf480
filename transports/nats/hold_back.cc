#include "transports/nats/hold_back.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace router {
namespace {

constexpr size_t kQuestionsMax = 1024;

constexpr std::chrono::milliseconds kFirstDelay(25);
constexpr std::chrono::milliseconds kMaxDelay(250);
constexpr std::chrono::seconds kProbeTimeout(1);

}  // namespace

void HoldBack::Wait(absl::string_view subject, uint64_t number) {
  holds_.find(subject)->second.waiting.insert(number);
}

void HoldBack::Refused(absl::string_view subject, uint64_t number, FailureReason reason,
                       std::string error, SteadyTime now) {
  const auto inserted = holds_.try_emplace(subject);
  Hold& hold = inserted.first->second;
  hold.waiting.insert(number);
  hold.reason = reason;
  hold.error = std::move(error);
  if (inserted.second) {
    hold.delay = kFirstDelay;
    hold.due = now + hold.delay;
  } else if (hold.probe == number) {
    hold.probe = 0;
    hold.delay = std::min<SteadyTime::duration>(hold.delay * 2, kMaxDelay);
    hold.due = now + hold.delay;
  }
}

std::vector<uint64_t> HoldBack::Confirmed(absl::string_view subject, uint64_t number) {
  const auto found = holds_.find(subject);
  // Others than the probe were on their way before the hold began and prove nothing.
  if (found == holds_.end() || found->second.probe != number) return {};
  std::vector<uint64_t> released(found->second.waiting.begin(), found->second.waiting.end());
  holds_.erase(found);
  return released;
}

void HoldBack::Forget(absl::string_view subject, uint64_t number, SteadyTime now) {
  const auto found = holds_.find(subject);
  if (found == holds_.end()) return;
  Hold& hold = found->second;
  hold.waiting.erase(number);
  if (hold.probe == number) {
    hold.probe = 0;
    hold.due = now;
  }
  EraseIfEmpty(found);
}

std::vector<uint64_t> HoldBack::TakeProbes(SteadyTime now) {
  std::vector<uint64_t> probes;
  for (auto& entry : holds_) {
    Hold& hold = entry.second;
    if (hold.due > now || hold.waiting.empty()) continue;
    hold.probe = *hold.waiting.begin();
    hold.waiting.erase(hold.waiting.begin());
    hold.due = now + kProbeTimeout;
    hold.asked = false;
    probes.push_back(hold.probe);
  }
  std::sort(probes.begin(), probes.end());
  return probes;
}

absl::optional<uint64_t> HoldBack::Ask(absl::string_view subject) {
  const auto found = holds_.find(subject);
  if (found == holds_.end() || found->second.asked) return absl::nullopt;
  found->second.asked = true;
  // Where asking is not permitted no answer ever comes.
  if (questions_.size() >= kQuestionsMax) questions_.clear();
  questions_.emplace(++last_question_, std::string(subject));
  return last_question_;
}

absl::optional<std::string> HoldBack::TakeQuestion(uint64_t question) {
  const auto found = questions_.find(question);
  if (found == questions_.end()) return absl::nullopt;
  std::string subject = std::move(found->second);
  questions_.erase(found);
  return subject;
}

std::vector<uint64_t> HoldBack::Drop(absl::string_view subject) {
  const auto found = holds_.find(subject);
  if (found == holds_.end()) return {};
  std::vector<uint64_t> dropped(found->second.waiting.begin(), found->second.waiting.end());
  found->second.waiting.clear();
  EraseIfEmpty(found);
  return dropped;
}

FailureReason HoldBack::reason(absl::string_view subject) const {
  const auto found = holds_.find(subject);
  return found == holds_.end() ? FailureReason::kTimeout : found->second.reason;
}

std::string HoldBack::error(absl::string_view subject) const {
  const auto found = holds_.find(subject);
  return found == holds_.end() ? "" : found->second.error;
}

void HoldBack::EraseIfEmpty(HoldMap::iterator hold) {
  if (hold->second.waiting.empty() && hold->second.probe == 0) holds_.erase(hold);
}

}  // namespace router
