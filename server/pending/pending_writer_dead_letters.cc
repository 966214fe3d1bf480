// The part of PendingWriter that is about making room, dead letters and expiry.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/pending/pending_writer.h"

namespace router {
namespace {

absl::StatusOr<DeadLetter> ToDeadLetter(const RecordFields& fields, const DeadLetterFields& why,
                                        bool with_payload) {
  absl::StatusOr<PendingRecord> record = ToPendingRecord(fields, with_payload);
  if (!record.ok()) return record.status();
  DeadLetter dead_letter;
  dead_letter.record = *std::move(record);
  dead_letter.reason.reason = std::string(why.reason);
  dead_letter.reason.error = std::string(why.error);
  dead_letter.reason.attempts = why.attempts;
  dead_letter.reason.first_error = std::string(why.first_error);
  dead_letter.dead_time = absl::FromUnixMillis(why.dead_at_ms);
  return dead_letter;
}

}  // namespace

absl::Status PendingWriter::ClaimExpired(absl::Time now, int64_t count_max, int64_t bytes_max,
                                         std::vector<RemovedRecord>* records) {
  if (failing()) return failure_;
  int64_t bytes = 0;
  for (auto it = expiring_.begin(); it != expiring_.end() && it->first <= now;) {
    if (static_cast<int64_t>(records->size()) >= count_max) return absl::OkStatus();
    const uint64_t sequence = it->second;
    if (claimed_.contains(sequence)) {
      ++it;
      continue;
    }
    const absl::StatusOr<absl::optional<RemovedRecord>> record = store_.table()->FindKey(sequence);
    if (!record.ok()) return store_.ReadError(record.status());
    if (!record->has_value()) {  // Lost with a damaged file.
      it = expiring_.erase(it);
      continue;
    }
    bytes += (*record)->size_bytes;
    if (!records->empty() && bytes > bytes_max) return absl::OkStatus();
    claimed_[sequence] = **record;
    records->push_back(**record);
    ++it;
  }
  return absl::OkStatus();
}

absl::Status PendingWriter::MoveToDeadLetters(absl::Span<const DeadLetterVerdict> verdicts) {
  if (failing()) return failure_;
  std::vector<RemovedRecord> records;
  records.reserve(verdicts.size());
  for (const DeadLetterVerdict& verdict : verdicts) {
    const auto claimed = claimed_.find(verdict.sequence);
    if (claimed == claimed_.end()) {
      return absl::FailedPreconditionError(
          absl::StrCat("record ", verdict.sequence, " is not claimed"));
    }
    records.push_back(claimed->second);
  }
  Changes changes;
  absl::Status status = store_.Begin();
  for (const DeadLetterVerdict& verdict : verdicts) {
    if (status.ok()) status = Bury(verdict.sequence, verdict.reason);
  }
  std::sort(records.begin(), records.end(),
            [](const RemovedRecord& a, const RemovedRecord& b) { return a.sequence < b.sequence; });
  if (status.ok()) status = DeleteRecords(records, &changes);
  if (status.ok()) status = store_.Commit();
  if (!status.ok()) return StopUntilRecovered(status);
  for (const DeadLetterVerdict& verdict : verdicts) {
    CountDeadLetter(claimed_[verdict.sequence], verdict.reason.reason);
  }
  Apply(changes);
  TellRemoved(changes.removed, RemovalCause::kDeadLettered);
  return status;
}

// Copies a record to the dead letters, with what is known in memory of when it was sent.
absl::Status PendingWriter::Bury(uint64_t sequence, const DeadLetterReason& reason) {
  absl::Status status = store_.CopyToDeadLetters(sequence, reason);
  if (!status.ok() || !doubts_.Has(sequence)) return status;
  absl::Time first_sent = absl::InfiniteFuture();
  uint64_t checksum = 0;
  const absl::Status read = store_.table()->ReadDeadLetters(
      sequence - 1, [&](RecordFields fields, const DeadLetterFields&, bool intact) {
        const absl::StatusOr<PendingRecord> record = ToPendingRecord(fields, false);
        if (!intact || !record.ok()) return Reading::kStop;  // Found when it is looked at.
        first_sent = doubts_.FirstSentTime(*record);
        fields.first_sent_at_ms = absl::ToUnixMillis(first_sent);
        checksum = RecordChecksum(fields);
        return Reading::kStop;
      });
  if (!read.ok()) return store_.Fail("read", read);
  if (first_sent == absl::InfiniteFuture()) return status;
  return store_.SetDeadLetterSent(sequence, absl::ToUnixMillis(first_sent), checksum);
}

absl::Status PendingWriter::Trim(const PendingInbox::Command& limits, Changes* changes) {
  int64_t count = current_.count + changes->count;
  int64_t bytes = current_.bytes + current_.dead_letter_bytes + changes->bytes;
  for (const RemovedRecord& record : changes->kept) bytes += record.size_bytes;
  std::vector<RemovedRecord> gone;
  std::vector<RemovedRecord> kept;
  absl::Status status = store_.table()->ReadKeys(0, [&](const RemovedRecord& record) {
    const bool too_large = bytes > limits.bytes_max;
    if (count <= limits.count_max && !too_large) return Reading::kStop;
    if (claimed_.contains(record.sequence)) return Reading::kContinue;
    --count;
    if (limits.keep_dropped && !too_large) {
      kept.push_back(record);
    } else {
      gone.push_back(record);
      bytes -= record.size_bytes;
    }
    return Reading::kContinue;
  });
  if (!status.ok()) return store_.Fail("remove", status);
  return DropRecords(gone, kept, changes);
}

absl::Status PendingWriter::DropRecords(absl::Span<const RemovedRecord> gone,
                                        absl::Span<const RemovedRecord> kept, Changes* changes) {
  const DeadLetterReason reason = {std::string(kDroppedOldestLabel),
                                   "the queue was full, and it was the oldest"};
  std::vector<uint64_t> sequences;
  for (const RemovedRecord& record : kept) {
    absl::Status status = Bury(record.sequence, reason);
    if (!status.ok()) return status;
    sequences.push_back(record.sequence);
    changes->kept.push_back(record);
    changes->bytes -= record.size_bytes;
  }
  changes->count -= kept.size();
  if (absl::Status status = DeleteSequences(sequences); !status.ok()) return status;
  return DeleteRecords(gone, changes);
}

absl::Status PendingWriter::ScanDeadLetters(uint64_t after, int64_t count_max, bool with_payload,
                                            std::vector<DeadLetter>* dead_letters) {
  if (failing()) return failure_;
  if (count_max <= 0) return absl::OkStatus();
  int64_t bytes = 0;
  std::vector<uint64_t> damaged;
  const absl::Status status = store_.table()->ReadDeadLetters(
      after, [&](const RecordFields& fields, const DeadLetterFields& why, bool intact) {
        if (!dead_letters->empty() && bytes + fields.size_bytes > kScanBytesMax) {
          return Reading::kStop;
        }
        absl::StatusOr<DeadLetter> dead_letter = ToDeadLetter(fields, why, with_payload);
        if (!intact || !dead_letter.ok()) {
          damaged.push_back(fields.sequence);
          return Reading::kContinue;
        }
        bytes += fields.size_bytes;
        dead_letters->push_back(*std::move(dead_letter));
        return static_cast<int64_t>(dead_letters->size()) < count_max ? Reading::kContinue
                                                                      : Reading::kStop;
      });
  SetAsideDeadLetters(damaged).IgnoreError();
  if (!status.ok() && dead_letters->empty()) return store_.ReadError(status);
  return absl::OkStatus();
}

absl::Status PendingWriter::RedriveDeadLetters(absl::Span<const uint64_t> sorted_sequences,
                                               int64_t* redriven) {
  DeadLetterChanges changes;
  absl::Status status = TakeDeadLetters(sorted_sequences, /*put_back=*/true, &changes);
  if (!status.ok()) return status;
  *redriven += changes.put_back.size();
  if (!changes.put_back.empty()) observer_->OnRedriven(changes.put_back);
  SetAsideDeadLetters(changes.damaged).IgnoreError();
  return status;
}

absl::Status PendingWriter::PurgeDeadLetters(absl::Span<const uint64_t> sorted_sequences,
                                             int64_t* purged) {
  DeadLetterChanges changes;
  absl::Status status = TakeDeadLetters(sorted_sequences, /*put_back=*/false, &changes);
  if (!status.ok()) return status;
  *purged += changes.taken.size();
  if (!changes.taken.empty()) {
    observer_->OnDeadLettersRemoved(changes.taken, RemovalCause::kPurged);
  }
  SetAsideDeadLetters(changes.damaged).IgnoreError();
  return status;
}

absl::Status PendingWriter::TakeDeadLetters(absl::Span<const uint64_t> sorted_sequences,
                                            bool put_back, DeadLetterChanges* changes) {
  if (failing()) return failure_;
  absl::Status status = store_.Begin();
  for (uint64_t sequence : sorted_sequences) {
    if (status.ok()) status = TakeDeadLetter(sequence, put_back, changes);
  }
  if (status.ok()) status = store_.Commit();
  if (!status.ok()) return StopUntilRecovered(status);
  Apply(*changes);
  return status;
}

absl::Status PendingWriter::TakeDeadLetter(uint64_t sequence, bool put_back,
                                           DeadLetterChanges* changes) {
  if (sequence == 0) return absl::OkStatus();
  absl::Status inserted;
  bool taken = false;
  const absl::Status read = store_.table()->ReadDeadLetters(
      sequence - 1, [&](const RecordFields& fields, const DeadLetterFields& why, bool intact) {
        if (fields.sequence != sequence) return Reading::kStop;
        if (!intact) {
          changes->damaged.push_back(sequence);
          return Reading::kStop;
        }
        taken = true;
        changes->taken.push_back(KeyOf(fields));
        changes->labels.push_back(DeadLetterLabelIndex(why.reason));
        if (!put_back) return Reading::kStop;
        const absl::StatusOr<RemovedRecord> record = store_.InsertAgain(fields);
        inserted = record.status();
        if (record.ok()) changes->put_back.push_back(*record);
        return Reading::kStop;
      });
  if (!inserted.ok()) return store_.Fail("append", inserted);
  if (!read.ok()) return store_.Fail("read", read);
  return taken ? store_.DeleteDeadLetter(sequence) : absl::OkStatus();
}

absl::Status PendingWriter::SetAsideDeadLetters(absl::Span<const uint64_t> damaged) {
  if (damaged.empty()) return absl::OkStatus();
  DeadLetterChanges changes;
  absl::Status status = store_.Begin();
  for (uint64_t sequence : damaged) {
    const auto take = [&](const RecordFields& fields, const DeadLetterFields& why, bool) {
      changes.taken.push_back(DamagedKeyOf(fields));
      changes.labels.push_back(DeadLetterLabelIndex(why.reason));
      return Reading::kStop;
    };
    if (!status.ok()) break;
    const absl::Status read = store_.table()->ReadDeadLetters(sequence - 1, take);
    status = read.ok() ? store_.SetAsideDeadLetter(sequence) : store_.Fail("read", read);
    if (status.ok()) status = store_.DeleteDeadLetter(sequence);
  }
  if (status.ok()) status = store_.Commit();
  if (!status.ok()) return StopUntilRecovered(status);
  Apply(changes);
  observer_->OnDeadLettersRemoved(changes.taken, RemovalCause::kDamaged);
  return status;
}

void PendingWriter::Apply(const DeadLetterChanges& changes) {
  for (size_t i = 0; i < changes.taken.size(); ++i) {
    --current_.dead_letters;
    current_.dead_letter_bytes -= changes.taken[i].size_bytes;
    --current_.dead_letters_by_label[changes.labels[i]];
  }
  const bool was_empty = current_.count == 0;
  for (const RemovedRecord& record : changes.put_back) {
    ++current_.count;
    ++current_.redriven_total;
    current_.bytes += record.size_bytes;
    if (record.expire_time != absl::InfiniteFuture()) {
      expiring_.emplace(record.expire_time, record.sequence);
    }
  }
  if (was_empty && current_.count > 0) RefreshOldest();
  PublishStats();
}

void PendingWriter::CountDeadLetter(const RemovedRecord& record, absl::string_view label) {
  ++current_.dead_letters;
  current_.dead_letter_bytes += record.size_bytes;
  ++current_.dead_letters_by_label[DeadLetterLabelIndex(label)];
}

void PendingWriter::ForgetExpiry(const RemovedRecord& record) {
  if (record.expire_time == absl::InfiniteFuture()) return;
  expiring_.erase({record.expire_time, record.sequence});
}

}  // namespace router
