#include "tests/simulation/sim_queue.h"

#include <utility>

namespace router {
namespace {

// A planted bug strikes every so many calls.
constexpr int kStrikeEvery = 4;
constexpr size_t kLargeCommit = 4;

}  // namespace

absl::StatusOr<RecoveredQueue> SimQueue::Open(PendingQueue::Observer* observer) {
  observer_ = observer;
  if (bug_ == PlantedBug::kFsyncSkipped) before_commit_ = *contents_;
  return queue_.Open(this);
}

void SimQueue::Commit() {
  if (bug_ == PlantedBug::kFsyncSkipped) before_commit_ = *contents_;
  has_work_ = false;
  if (drop_newest_ && !contents_->records.empty()) {
    queue_.Purge({contents_->records.rbegin()->first}).IgnoreError();
  }
  drop_newest_ = false;
  queue_.Flush();
  // After a failed commit the writer tries again by itself to remove what is delivered.
  if (!queue_.GetStats().healthy) has_work_ = true;
}

void SimQueue::Append(absl::Span<Operation* const> operations) {
  has_work_ = true;
  watcher_->OnAppending(operations);
  if (bug_ == PlantedBug::kRecordsSwapped && operations.size() > 1) {
    std::vector<Operation*> swapped(operations.begin(), operations.end());
    std::swap(swapped.front(), swapped.back());
    return queue_.Append(swapped);
  }
  queue_.Append(operations);
}

void SimQueue::Remove(absl::Span<const uint64_t> sequences) {
  has_work_ = true;
  watcher_->OnRemoving(sequences);
  queue_.Remove(sequences);
}

void SimQueue::Release(absl::Span<const uint64_t> sequences) {
  watcher_->OnReleasing(sequences);
  if (bug_ == PlantedBug::kClaimLeaked && ++calls_ % kStrikeEvery == 0) return;
  queue_.Release(sequences);
}

void SimQueue::TrimOldest(int64_t count_max, int64_t bytes_max) {
  has_work_ = true;
  drop_newest_ = bug_ == PlantedBug::kNewestDropped;
  queue_.TrimOldest(count_max, bytes_max);
}

absl::StatusOr<std::vector<PendingRecord>> SimQueue::Claim(uint64_t after, int64_t count_max,
                                                           int64_t bytes_max) {
  absl::StatusOr<std::vector<PendingRecord>> records = queue_.Claim(after, count_max, bytes_max);
  if (!records.ok()) return records;
  watcher_->OnClaimed(*records);
  for (PendingRecord& record : *records) {
    if (bug_ == PlantedBug::kRemovedBeforeAck) {
      has_work_ = true;
      queue_.Remove({record.sequence});
    }
    if (bug_ == PlantedBug::kExpiryForgotten) record.expire_time = absl::InfiniteFuture();
  }
  interruption_();
  return records;
}

absl::Status SimQueue::NoteSending(uint64_t through) {
  const absl::Status status = queue_.NoteSending(through);
  interruption_();
  return status;
}

absl::StatusOr<int64_t> SimQueue::Purge(absl::Span<const uint64_t> sequences) {
  return queue_.Purge(sequences);
}

absl::Status SimQueue::MoveToDeadLetters(uint64_t sequence, const DeadLetterReason& reason) {
  watcher_->OnDeadLettering(sequence, reason);
  const absl::Status status = queue_.MoveToDeadLetters(sequence, reason);
  if (bug_ == PlantedBug::kDeadLetterLost) contents_->dead_letters.erase(sequence);
  return status;
}

void SimQueue::OnAppended(absl::Span<Operation* const> operations, const absl::Status& status) {
  if (bug_ == PlantedBug::kRecordForgotten && status.ok() && operations.size() >= kLargeCommit) {
    contents_->records.erase(operations.back()->operation_id);
  }
  interruption_();
  const bool hide = bug_ == PlantedBug::kFsyncFailureIgnored;
  const absl::Status told = hide ? absl::OkStatus() : status;
  watcher_->OnCommitted(operations, told);
  observer_->OnAppended(operations, told);
}

void SimQueue::OnRemoved(absl::Span<const RemovedRecord> records, RemovalCause cause) {
  if (drop_newest_) cause = RemovalCause::kDroppedOldest;
  watcher_->OnGone(records, cause);
  if (bug_ == PlantedBug::kRemovalNotTold && cause != RemovalCause::kDeadLettered) return;
  observer_->OnRemoved(records, cause);
}

}  // namespace router
