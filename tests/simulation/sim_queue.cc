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

SimQueue::Contents SimQueue::Durable() const {
  Contents durable = bug_ == PlantedBug::kFsyncSkipped ? before_commit_ : *contents_;
  if (bug_ == PlantedBug::kSentMarkLost) durable.sending_through = 0;
  return durable;
}

absl::Status SimQueue::Ask(Call call) {
  if (!refused_.test(static_cast<size_t>(call)) || !watcher_->OnRefused()) return absl::OkStatus();
  return absl::UnavailableError("the disk refuses");
}

void SimQueue::Commit() {
  if (bug_ == PlantedBug::kFsyncSkipped) before_commit_ = *contents_;
  has_work_ = false;
  if (drop_newest_ && !contents_->records.empty()) {
    queue_.Purge({contents_->records.rbegin()->first}).IgnoreError();
  }
  drop_newest_ = false;
  has_more_reports_ = std::exchange(trims_, false);
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

void SimQueue::TrimOldest(int64_t count_max, int64_t bytes_max, bool keep_dropped) {
  has_work_ = true;
  drop_newest_ = bug_ == PlantedBug::kNewestDropped;
  trims_ = true;
  queue_.TrimOldest(count_max, bytes_max, keep_dropped);
}

absl::StatusOr<std::vector<PendingRecord>> SimQueue::Claim(uint64_t after, int64_t count_max,
                                                           int64_t bytes_max) {
  absl::StatusOr<std::vector<PendingRecord>> records = queue_.Claim(after, count_max, bytes_max);
  if (!records.ok()) return records;
  for (PendingRecord& record : *records) {
    watcher_->OnClaimed(record.sequence, record.first_sent_time);
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
  absl::Status status = Ask(Call::kNoteSending);
  if (status.ok()) status = queue_.NoteSending(through);
  crash_point_();
  interruption_();
  return status;
}

void SimQueue::NoteInDoubt(absl::Span<const uint64_t> sequences, absl::Time since) {
  if (bug_ != PlantedBug::kDoubtForgotten) queue_.NoteInDoubt(sequences, since);
}

absl::StatusOr<int64_t> SimQueue::Purge(absl::Span<const uint64_t> sequences) {
  const absl::Status status = Ask(Call::kPurge);
  if (!status.ok()) return status;
  return queue_.Purge(sequences);
}

absl::StatusOr<std::vector<RemovedRecord>> SimQueue::ClaimExpired(absl::Time now, int64_t count_max,
                                                                  int64_t bytes_max) {
  if (bug_ == PlantedBug::kExpiryForgotten) return std::vector<RemovedRecord>();
  absl::StatusOr<std::vector<RemovedRecord>> records =
      queue_.ClaimExpired(now, count_max, bytes_max);
  if (!records.ok()) return records;
  for (const RemovedRecord& record : *records)
    watcher_->OnClaimed(record.sequence, absl::InfinitePast());
  interruption_();
  return records;
}

absl::Status SimQueue::MoveToDeadLetters(absl::Span<const DeadLetterVerdict> verdicts) {
  for (const DeadLetterVerdict& verdict : verdicts) {
    watcher_->OnDeadLettering(verdict.sequence, verdict.reason);
  }
  crash_point_();
  absl::Status status = Ask(Call::kMoveToDeadLetters);
  if (!status.ok()) return status;
  status = queue_.MoveToDeadLetters(verdicts);
  if (bug_ == PlantedBug::kDeadLetterLost) contents_->dead_letters.erase(verdicts[0].sequence);
  return status;
}

absl::StatusOr<int64_t> SimQueue::RedriveDeadLetters(absl::Span<const uint64_t> sequences) {
  const absl::Status status = Ask(Call::kRedrive);
  if (!status.ok()) return status;
  watcher_->OnRedriving(sequences);
  std::map<uint64_t, MemoryPendingQueue::StoredDeadLetter> before;
  if (bug_ == PlantedBug::kRedrivenStays) before = contents_->dead_letters;
  const absl::StatusOr<int64_t> redriven = queue_.RedriveDeadLetters(sequences);
  if (bug_ == PlantedBug::kRedrivenStays) contents_->dead_letters = std::move(before);
  return redriven;
}

absl::StatusOr<int64_t> SimQueue::PurgeDeadLetters(absl::Span<const uint64_t> sequences) {
  const absl::Status status = Ask(Call::kPurgeDeadLetters);
  if (!status.ok()) return status;
  return queue_.PurgeDeadLetters(sequences);
}

void SimQueue::OnAppended(absl::Span<Operation* const> operations, const absl::Status& status) {
  if (bug_ == PlantedBug::kRecordForgotten && status.ok() && operations.size() >= kLargeCommit) {
    contents_->records.erase(operations.back()->operation_id);
  }
  interruption_();
  const bool hide = bug_ == PlantedBug::kFsyncFailureIgnored;
  const absl::Status told = hide ? absl::OkStatus() : status;
  watcher_->OnCommitted(operations, told);
  if (!has_more_reports_) crash_point_();
  observer_->OnAppended(operations, told);
}

void SimQueue::OnRemoved(absl::Span<const RemovedRecord> records, RemovalCause cause) {
  if (drop_newest_) cause = RemovalCause::kDroppedOldest;
  watcher_->OnGone(records, cause);
  if (cause != RemovalCause::kDroppedOldest) crash_point_();
  if (bug_ == PlantedBug::kRemovalNotTold && cause != RemovalCause::kDeadLettered) return;
  observer_->OnRemoved(records, cause);
}

void SimQueue::OnRedriven(absl::Span<const RemovedRecord> records) {
  watcher_->OnRedriven(records);
  if (bug_ == PlantedBug::kRedriveForgets) contents_->records.erase(records.back().sequence);
  crash_point_();
  observer_->OnRedriven(records);
}

void SimQueue::OnDeadLettersRemoved(absl::Span<const RemovedRecord> records, RemovalCause cause) {
  watcher_->OnDeadLettersGone(records);
  crash_point_();
  observer_->OnDeadLettersRemoved(records, cause);
}

}  // namespace router
