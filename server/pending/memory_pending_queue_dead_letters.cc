// The part of MemoryPendingQueue that is about dead letters and expiry.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/pending/memory_pending_queue.h"

namespace router {

absl::StatusOr<std::vector<RemovedRecord>> MemoryPendingQueue::ClaimExpired(absl::Time now,
                                                                            int64_t count_max,
                                                                            int64_t bytes_max) {
  std::vector<RemovedRecord> expired;
  absl::Status status = RunBetweenCommits([&] {
    absl::MutexLock lock(&mutex_);
    std::map<std::pair<absl::Time, uint64_t>, const StoredRecord*> by_time;
    for (const auto& [sequence, stored] : contents_->records) {
      if (stored.record.expire_time > now || claimed_.contains(sequence)) continue;
      by_time[{stored.record.expire_time, sequence}] = &stored;
    }
    int64_t bytes = 0;
    for (const auto& [key, stored] : by_time) {
      bytes += stored->record.size_bytes;
      if (static_cast<int64_t>(expired.size()) >= count_max) break;
      if (!expired.empty() && bytes > bytes_max) break;
      claimed_.insert(key.second);
      expired.push_back({key.second, stored->key_hash, stored->record.size_bytes, key.first});
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return expired;
}

void MemoryPendingQueue::FailDeadLetters(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  dead_letter_status_ = std::move(status);
}

absl::Status MemoryPendingQueue::MoveToDeadLetters(absl::Span<const DeadLetterVerdict> verdicts) {
  if (verdicts.empty()) return absl::OkStatus();
  return RunBetweenCommits([&] {
    std::vector<RemovedRecord> removed;
    {
      absl::MutexLock lock(&mutex_);
      for (const DeadLetterVerdict& verdict : verdicts) {
        if (claimed_.contains(verdict.sequence)) continue;
        return absl::FailedPreconditionError(
            absl::StrCat("record ", verdict.sequence, " is not claimed"));
      }
      if (!dead_letter_status_.ok()) return dead_letter_status_;
      for (const DeadLetterVerdict& verdict : verdicts) {
        removed.push_back(Bury(verdict.sequence, verdict.reason));
      }
    }
    observer_->OnRemoved(removed, RemovalCause::kDeadLettered);
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<DeadLetter>> MemoryPendingQueue::ScanDeadLetters(uint64_t after,
                                                                            int64_t count_max,
                                                                            bool with_payload) {
  std::vector<DeadLetter> dead_letters;
  absl::Status status = RunBetweenCommits([&] {
    absl::MutexLock lock(&mutex_);
    for (auto it = contents_->dead_letters.upper_bound(after);
         it != contents_->dead_letters.end() &&
         static_cast<int64_t>(dead_letters.size()) < count_max;
         ++it) {
      const StoredDeadLetter& kept = it->second;
      dead_letters.push_back({kept.stored.record, kept.reason, kept.dead_time});
      if (!with_payload) dead_letters.back().record.payload.clear();
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return dead_letters;
}

absl::StatusOr<int64_t> MemoryPendingQueue::RedriveDeadLetters(
    absl::Span<const uint64_t> sequences) {
  const std::set<uint64_t> sorted(sequences.begin(), sequences.end());
  std::vector<RemovedRecord> put_back;
  absl::Status status = RunBetweenCommits([&] {
    {
      absl::MutexLock lock(&mutex_);
      for (uint64_t sequence : sorted) {
        StoredRecord stored;
        if (!TakeDeadLetter(sequence, &stored)) continue;
        PendingRecord& record = stored.record;
        record.sequence = ++contents_->last_sequence;
        if (record.expire_time <= clock_->WallNow()) record.expire_time = absl::InfiniteFuture();
        bytes_ += record.size_bytes;
        ++redriven_total_;
        put_back.push_back(
            {record.sequence, stored.key_hash, record.size_bytes, record.expire_time});
        contents_->records[record.sequence] = std::move(stored);
      }
    }
    if (!put_back.empty()) observer_->OnRedriven(put_back);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return static_cast<int64_t>(put_back.size());
}

absl::StatusOr<int64_t> MemoryPendingQueue::PurgeDeadLetters(absl::Span<const uint64_t> sequences) {
  const std::set<uint64_t> sorted(sequences.begin(), sequences.end());
  std::vector<RemovedRecord> purged;
  absl::Status status = RunBetweenCommits([&] {
    {
      absl::MutexLock lock(&mutex_);
      for (uint64_t sequence : sorted) {
        StoredRecord stored;
        if (!TakeDeadLetter(sequence, &stored)) continue;
        purged.push_back({sequence, stored.key_hash, stored.record.size_bytes});
      }
    }
    if (!purged.empty()) observer_->OnDeadLettersRemoved(purged, RemovalCause::kPurged);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return static_cast<int64_t>(purged.size());
}

RemovedRecord MemoryPendingQueue::Bury(uint64_t sequence, const DeadLetterReason& reason) {
  StoredRecord& stored = contents_->records[sequence];
  stored.record.first_sent_time = doubts_.FirstSentTime(stored.record);
  contents_->dead_letters[sequence] = {stored, reason,
                                       absl::FromUnixMillis(absl::ToUnixMillis(clock_->WallNow()))};
  const RemovedRecord removed = Erase(sequence);
  dead_letter_bytes_ += removed.size_bytes;
  ++taken_total_;
  return removed;
}

bool MemoryPendingQueue::TakeDeadLetter(uint64_t sequence, StoredRecord* stored) {
  const auto it = contents_->dead_letters.find(sequence);
  if (it == contents_->dead_letters.end()) return false;
  *stored = std::move(it->second.stored);
  dead_letter_bytes_ -= stored->record.size_bytes;
  contents_->dead_letters.erase(it);
  return true;
}

}  // namespace router
