#include "server/pending/pending_writer.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace router {
namespace {

constexpr absl::Duration kFirstBackoff = absl::Milliseconds(100);
constexpr absl::Duration kLongestBackoff = absl::Seconds(1);

SteadyTime SteadyNow() { return SteadyTime::clock::now(); }

int64_t SizeOf(absl::Span<Operation* const> operations) {
  int64_t bytes = 0;
  for (const Operation* operation : operations) bytes += operation->size_bytes;
  return bytes;
}

// What callers are told: no room, or anything else.
absl::Status ForCallers(const absl::Status& status) {
  if (status.ok() || absl::IsResourceExhausted(status)) return status;
  return absl::UnavailableError(status.message());
}

}  // namespace

PendingWriter::PendingWriter(const PendingStore::Options& options) : store_(options) {
  current_.oldest_accept_time = absl::InfiniteFuture();
  PublishStats();
}

absl::StatusOr<RecoveredQueue> PendingWriter::Open(PendingQueue::Observer* observer) {
  observer_ = observer;
  absl::StatusOr<RecoveredQueue> recovered = store_.Open();
  if (!recovered.ok()) return recovered;
  doubts_.SetRecoveredThrough(sending_through());
  current_.count = recovered->records.size();
  for (const RemovedRecord& record : recovered->records) {
    current_.bytes += record.size_bytes;
    if (record.expire_time != absl::InfiniteFuture()) {
      expiring_.emplace(record.expire_time, record.sequence);
    }
  }
  current_.dead_letters = recovered->dead_letters;
  current_.dead_letter_bytes = recovered->dead_letter_bytes;
  current_.dead_letters_by_label = recovered->dead_letters_by_label;
  if (store_.is_open()) {
    RefreshOldest();
    PublishStats();
  } else {
    StopUntilRecovered(absl::UnavailableError("the pending queue cannot be written")).IgnoreError();
  }
  return recovered;
}

void PendingWriter::Execute(const PendingInbox& work) {
  TakeClaims(work);
  if (failing()) {
    if (!work.operations.empty()) observer_->OnAppended(work.operations, failure_);
    return;
  }
  absl::Status room;
  if (!work.operations.empty()) room = ForCallers(store_.CheckRoom(SizeOf(work.operations)));

  Changes changes;
  absl::Status status = RunTransaction(work, room.ok(), &changes);
  if (!status.ok()) {
    const absl::Status answer = StopUntilRecovered(status);
    if (!work.operations.empty()) observer_->OnAppended(work.operations, answer);
    return;
  }
  if (!work.operations.empty()) observer_->OnAppended(work.operations, room);
  TellRemoved(changes.removed, RemovalCause::kDroppedOldest);
  TellRemoved(changes.kept, RemovalCause::kDroppedAndKept);
  if (!failing()) {
    status = store_.CheckpointIfDue();
    if (!status.ok()) StopUntilRecovered(status).IgnoreError();
    if (store_.all_synced()) unsynced_.clear();
  }
}

// Claims and doubts are in memory, so they need no commit; removals stay claimed until they are
// committed.
void PendingWriter::TakeClaims(const PendingInbox& work) {
  size_t next = 0;
  for (const PendingInbox::Command& command : work.commands) {
    if (!command.has_sequences()) continue;
    for (size_t i = 0; i < command.count; ++i, ++next) {
      const uint64_t sequence = work.sequences[next];
      if (!claimed_.contains(sequence)) continue;
      if (command.kind == PendingInbox::Kind::kRelease) {
        claimed_.erase(sequence);
      } else if (command.kind == PendingInbox::Kind::kRemove) {
        delivered_.push_back(sequence);
      } else {
        doubts_.Add(sequence, command.since);
      }
    }
  }
}

absl::Status PendingWriter::RunTransaction(const PendingInbox& work, bool with_appends,
                                           Changes* changes) {
  const bool trims = std::any_of(
      work.commands.begin(), work.commands.end(),
      [](const PendingInbox::Command& c) { return c.kind == PendingInbox::Kind::kTrim; });
  const bool appends = with_appends && !work.operations.empty();
  if (!appends && !trims && delivered_.empty()) return absl::OkStatus();

  // A removal that a power cut undoes is a message that is sent again, with the same message id.
  absl::Status status =
      store_.Begin(appends || trims ? PendingStore::Sync::kNow : PendingStore::Sync::kLater);
  if (status.ok()) status = DeleteDelivered(changes);
  size_t next = 0;
  for (const PendingInbox::Command& command : work.commands) {
    if (!status.ok()) return status;
    if (command.kind == PendingInbox::Kind::kTrim) {
      status = Trim(command, changes);
    } else if (command.kind == PendingInbox::Kind::kAppend && appends) {
      status =
          InsertAll(absl::MakeConstSpan(work.operations).subspan(next, command.count), changes);
      next += command.count;
    }
  }
  if (status.ok()) status = store_.Commit();
  if (!status.ok()) return status;
  for (uint64_t sequence : delivered_) unsynced_.push_back(claimed_[sequence]);
  delivered_.clear();
  Apply(*changes);
  return status;
}

absl::Status PendingWriter::DeleteDelivered(Changes* changes) {
  if (delivered_.empty()) return absl::OkStatus();
  std::sort(delivered_.begin(), delivered_.end());
  delivered_.erase(std::unique(delivered_.begin(), delivered_.end()), delivered_.end());
  for (uint64_t sequence : delivered_) changes->bytes -= claimed_[sequence].size_bytes;
  changes->count -= delivered_.size();
  changes->delivered = delivered_;
  return DeleteSequences(delivered_);
}

absl::Status PendingWriter::InsertAll(absl::Span<Operation* const> operations, Changes* changes) {
  for (Operation* operation : operations) {
    const absl::StatusOr<uint64_t> sequence = store_.Insert(*operation);
    if (!sequence.ok()) return sequence.status();
    if (changes->appended.empty()) changes->first_sequence = *sequence;
    changes->appended.push_back(operation);
    changes->bytes += operation->size_bytes;
    ++changes->count;
  }
  return absl::OkStatus();
}

absl::Status PendingWriter::DeleteRecords(absl::Span<const RemovedRecord> records,
                                          Changes* changes) {
  std::vector<uint64_t> sequences;
  sequences.reserve(records.size());
  for (const RemovedRecord& record : records) {
    sequences.push_back(record.sequence);
    changes->removed.push_back(record);
    changes->bytes -= record.size_bytes;
  }
  changes->count -= records.size();
  return DeleteSequences(sequences);
}

absl::Status PendingWriter::DeleteSequences(absl::Span<const uint64_t> sorted_sequences) {
  for (size_t i = 0; i < sorted_sequences.size();) {
    const uint64_t first = sorted_sequences[i];
    uint64_t last = first;
    for (++i; i < sorted_sequences.size() && sorted_sequences[i] == last + 1; ++i) ++last;
    const absl::StatusOr<int64_t> deleted = store_.DeleteRange(first, last);
    if (!deleted.ok()) return deleted.status();
  }
  return absl::OkStatus();
}

void PendingWriter::Apply(const Changes& changes) {
  for (size_t i = 0; i < changes.appended.size(); ++i) {
    changes.appended[i]->operation_id = changes.first_sequence + i;
  }
  for (size_t i = 0; i < changes.appended.size(); ++i) {
    const absl::Time expire_time = changes.appended[i]->expire_time;
    if (expire_time == absl::InfiniteFuture()) continue;
    expiring_.emplace(absl::FromUnixMillis(absl::ToUnixMillis(expire_time)),
                      changes.first_sequence + i);
  }
  for (uint64_t sequence : changes.delivered) {
    ForgetExpiry(claimed_[sequence]);
    Forget(sequence);
  }
  for (const auto* records : {&changes.removed, &changes.kept}) {
    for (const RemovedRecord& record : *records) {
      ForgetExpiry(record);
      Forget(record.sequence);
    }
    current_.taken_total += records->size();
  }
  for (const RemovedRecord& record : changes.kept) CountDeadLetter(record, kDroppedOldestLabel);
  const bool was_empty = current_.count == 0;
  current_.count += changes.count;
  current_.bytes += changes.bytes;
  current_.removed_total += changes.delivered.size();
  const bool took = !changes.delivered.empty() || !changes.removed.empty() || !changes.kept.empty();
  if (was_empty || took) RefreshOldest();
  PublishStats();
}

void PendingWriter::Forget(uint64_t sequence) {
  claimed_.erase(sequence);
  doubts_.Forget(sequence);
}

absl::Status PendingWriter::NoteSending(uint64_t through) {
  if (failing()) return failure_;
  return SetSendingThrough(std::max(through, sending_through()));
}

absl::Status PendingWriter::SetSendingThrough(uint64_t through) {
  absl::Status status = store_.Begin();
  if (!status.ok()) return StopUntilRecovered(status);
  store_.SetSendingThrough(through);
  status = store_.Commit();
  return status.ok() ? status : StopUntilRecovered(status);
}

absl::Status PendingWriter::Claim(uint64_t after, int64_t count_max, int64_t bytes_max,
                                  std::vector<PendingRecord>* records) {
  return ReadSlice(after, {count_max, bytes_max, /*with_payload=*/true}, /*claim=*/true, records);
}

absl::Status PendingWriter::Scan(uint64_t after, int64_t count_max, bool with_payload,
                                 std::vector<PendingRecord>* records) {
  return ReadSlice(after, {count_max, kScanBytesMax, with_payload}, /*claim=*/false, records);
}

absl::Status PendingWriter::ReadSlice(uint64_t after, const Slice& slice, bool claim,
                                      std::vector<PendingRecord>* records) {
  if (failing()) return failure_;
  if (slice.count_max <= 0) return absl::OkStatus();
  int64_t bytes = 0;
  DamagedRecords damaged;
  if (claim) records->reserve(static_cast<size_t>(std::min(slice.count_max, current_.count)));
  const absl::Status status = store_.table()->ReadRecords(
      after, [&](uint64_t sequence) { return claim && claimed_.contains(sequence); },
      [&](const RecordFields& fields, bool intact) {
        absl::StatusOr<PendingRecord> record = ToPendingRecord(fields, slice.with_payload);
        if (!intact || !record.ok()) {
          // One that is being delivered was intact when it was claimed.
          if (!claimed_.contains(fields.sequence)) damaged.Add(fields);
          return Reading::kContinue;
        }
        if (!records->empty() && bytes + fields.size_bytes > slice.bytes_max) {
          return Reading::kStop;
        }
        if (claim) claimed_[fields.sequence] = KeyOf(fields);
        record->claimed = claimed_.contains(fields.sequence);
        record->first_sent_time = doubts_.FirstSentTime(*record);
        bytes += fields.size_bytes;
        records->push_back(*std::move(record));
        return static_cast<int64_t>(records->size()) < slice.count_max ? Reading::kContinue
                                                                       : Reading::kStop;
      });
  SetAside(damaged).IgnoreError();
  // What was read before the error is good; the next call finds the error at its start.
  if (!status.ok() && records->empty()) return store_.ReadError(status);
  return absl::OkStatus();
}

void PendingWriter::DamagedRecords::Add(const RecordFields& fields) {
  keys.push_back(DamagedKeyOf(fields));
  sizes_proved = sizes_proved && keys.back().size_bytes == fields.size_bytes;
}

absl::Status PendingWriter::SetAside(const DamagedRecords& damaged) {
  if (damaged.keys.empty()) return absl::OkStatus();
  Changes changes;
  absl::Status status = store_.Begin();
  for (const RemovedRecord& record : damaged.keys) {
    if (status.ok()) status = store_.SetAside(record.sequence);
  }
  if (status.ok()) status = DeleteRecords(damaged.keys, &changes);
  if (status.ok()) status = store_.Commit();
  if (!status.ok()) return StopUntilRecovered(status);
  if (!damaged.sizes_proved) CorrectSizes(&changes);
  Apply(changes);
  TellRemoved(changes.removed, RemovalCause::kDamaged);
  return status;
}

// What was removed had the size that is missing from the sum of those that are left.
void PendingWriter::CorrectSizes(Changes* changes) const {
  const absl::StatusOr<int64_t> left = store_.table()->SumOfSizes();
  if (!left.ok()) return;
  int64_t& size_bytes = changes->removed.back().size_bytes;
  const int64_t correction = current_.bytes + changes->bytes - *left;
  if (*left < 0 || size_bytes + correction < 0) return;  // Others are damaged too.
  size_bytes += correction;
  changes->bytes -= correction;
}

absl::Status PendingWriter::Purge(absl::Span<const uint64_t> sequences, int64_t* purged) {
  if (failing()) return failure_;
  std::vector<RemovedRecord> records;
  for (uint64_t sequence : sequences) {
    if (claimed_.contains(sequence)) continue;
    const absl::StatusOr<absl::optional<RemovedRecord>> record = store_.table()->FindKey(sequence);
    if (!record.ok()) return store_.ReadError(record.status());
    if (record->has_value()) records.push_back(**record);
  }
  if (records.empty()) return absl::OkStatus();
  Changes changes;
  absl::Status status = store_.Begin();
  if (status.ok()) status = DeleteRecords(records, &changes);
  if (status.ok()) status = store_.Commit();
  if (!status.ok()) return StopUntilRecovered(status);
  Apply(changes);
  *purged += changes.removed.size();
  TellRemoved(changes.removed, RemovalCause::kPurged);
  return status;
}

void PendingWriter::TellRemoved(absl::Span<const RemovedRecord> records, RemovalCause cause) {
  if (!records.empty()) observer_->OnRemoved(records, cause);
}

void PendingWriter::RefreshOldest() {
  const absl::StatusOr<absl::optional<absl::Time>> oldest = store_.table()->OldestAcceptTime();
  if (oldest.ok()) current_.oldest_accept_time = oldest->value_or(absl::InfiniteFuture());
}

void PendingWriter::SyncRemovals() {
  if (unsynced_.empty()) return;
  const absl::Status status = store_.SyncRemovals();
  if (!status.ok()) StopUntilRecovered(status).IgnoreError();
  if (store_.all_synced()) unsynced_.clear();
}

// The store has gone back to its last synced commit: what was removed since is there again.
void PendingWriter::RemoveAgain() {
  for (const RemovedRecord& record : unsynced_) {
    claimed_[record.sequence] = record;
    delivered_.push_back(record.sequence);
    if (record.expire_time != absl::InfiniteFuture()) {
      expiring_.emplace(record.expire_time, record.sequence);
    }
    ++current_.count;
    current_.bytes += record.size_bytes;
    --current_.removed_total;
  }
  unsynced_.clear();
}

absl::Status PendingWriter::StopUntilRecovered(const absl::Status& status) {
  if (store_.TakeWentBack()) RemoveAgain();
  failure_ = ForCallers(status);
  backoff_ = current_.healthy ? kFirstBackoff : std::min(2 * backoff_, kLongestBackoff);
  retry_at_ = SteadyNow() + absl::ToChronoNanoseconds(backoff_);
  current_.healthy = false;
  PublishStats();
  return failure_;
}

absl::Duration PendingWriter::UntilRetry() const {
  return std::max(absl::FromChrono(retry_at_ - SteadyNow()), absl::ZeroDuration());
}

void PendingWriter::Recover() {
  const absl::Status status = store_.Reopen();
  if (!status.ok()) {
    StopUntilRecovered(status).IgnoreError();
    return;
  }
  current_.healthy = true;
  RefreshOldest();
  PublishStats();
}

bool PendingWriter::ShrinkSome() {
  if (failing()) return false;
  const absl::StatusOr<bool> more = store_.ShrinkSome();
  if (!more.ok()) StopUntilRecovered(more.status()).IgnoreError();
  return more.ok() && *more;
}

void PendingWriter::Close(uint64_t sent_through) {
  const uint64_t noted = std::max(sent_through, doubts_.recovered_through());
  if (!failing() && noted < sending_through()) SetSendingThrough(noted).IgnoreError();
  // Also cuts off what a failed commit has left, which would otherwise come back with the next
  // start.
  if (failing()) {
    Recover();
    Execute(PendingInbox());
  }
  store_.Close();
  failure_ = absl::UnavailableError("the pending queue is closed");
}

PendingQueueStats PendingWriter::GetStats() const {
  QueueDamage damage = store_.GetDamage();
  absl::MutexLock lock(&stats_mutex_);
  PendingQueueStats stats = stats_;
  stats.damage = std::move(damage);
  return stats;
}

void PendingWriter::PublishStats() {
  current_.next_expire_time = expiring_.empty() ? absl::InfiniteFuture() : expiring_.begin()->first;
  absl::MutexLock lock(&stats_mutex_);
  stats_ = current_;
}

}  // namespace router
