#include "server/pending/memory_pending_queue.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace router {
namespace {

absl::Status ClosedError() { return absl::UnavailableError("the pending queue is closed"); }

// The disk keeps times in whole milliseconds.
absl::Time Stored(absl::Time time) {
  return time == absl::InfiniteFuture() ? time : absl::FromUnixMillis(absl::ToUnixMillis(time));
}

PendingRecord RecordOf(const Operation& operation, uint64_t sequence) {
  PendingRecord record;
  record.sequence = sequence;
  record.subject = std::string(operation.message.subject);
  record.payload = std::string(operation.message.payload);
  record.payload_bytes = static_cast<int64_t>(operation.message.payload.size());
  for (const Header& header : operation.message.headers) {
    record.headers.emplace_back(std::string(header.key), std::string(header.value));
  }
  record.message_id = std::string(operation.message.message_id);
  record.caller_chose_id = operation.message.caller_chose_id;
  record.ordering_key = std::string(operation.ordering_key);
  record.guarantee = operation.message.guarantee;
  record.accept_time = Stored(operation.accept_time);
  record.expire_time = Stored(operation.expire_time);
  record.first_sent_time = Stored(operation.first_sent_time);
  record.size_bytes = operation.size_bytes;
  return record;
}

}  // namespace

MemoryPendingQueue::~MemoryPendingQueue() {
  Close();
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<RecoveredQueue> MemoryPendingQueue::Open(Observer* observer) {
  observer_ = observer;
  RecoveredQueue recovered;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [sequence, stored] : contents_->records) {
      recovered.records.push_back({sequence, stored.key_hash, stored.record.size_bytes});
      recovered.records.back().expire_time = stored.record.expire_time;
      if (stored.record.caller_chose_id) {
        recovered.ids.push_back(
            {sequence, HashMessageId(stored.record.message_id), stored.content_hash});
      }
      bytes_ += stored.record.size_bytes;
    }
    for (const auto& [sequence, dead_letter] : contents_->dead_letters) {
      dead_letter_bytes_ += dead_letter.stored.record.size_bytes;
    }
    recovered.dead_letters = contents_->dead_letters.size();
    contents_->sending_through = std::min(contents_->sending_through, contents_->last_sequence);
    doubts_.SetRecoveredThrough(contents_->sending_through);
    recovered.dead_letter_bytes = dead_letter_bytes_;
    open_ = true;
  }
  if (mode_ == Mode::kAutomatic) thread_ = std::thread([this] { RunWriter(); });
  return recovered;
}

void MemoryPendingQueue::FailNextAppend(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  next_append_status_ = std::move(status);
}

void MemoryPendingQueue::Append(absl::Span<Operation* const> operations) {
  if (operations.empty()) return;
  absl::MutexLock lock(&mutex_);
  inbox_.AddAppend(operations);
}

void MemoryPendingQueue::Remove(absl::Span<const uint64_t> sequences) {
  if (sequences.empty()) return;
  absl::MutexLock lock(&mutex_);
  inbox_.AddSequences(PendingInbox::Kind::kRemove, sequences);
}

void MemoryPendingQueue::Release(absl::Span<const uint64_t> sequences) {
  if (sequences.empty()) return;
  absl::MutexLock lock(&mutex_);
  if (mode_ == Mode::kAutomatic) {
    inbox_.AddSequences(PendingInbox::Kind::kRelease, sequences);
  } else {
    for (uint64_t sequence : sequences) claimed_.erase(sequence);
  }
}

absl::Status MemoryPendingQueue::NoteSending(uint64_t through) {
  return RunBetweenCommits([&] {
    absl::MutexLock lock(&mutex_);
    contents_->sending_through = std::max(contents_->sending_through, through);
    return absl::OkStatus();
  });
}

void MemoryPendingQueue::NoteInDoubt(absl::Span<const uint64_t> sequences, absl::Time since) {
  if (sequences.empty()) return;
  absl::MutexLock lock(&mutex_);
  if (mode_ == Mode::kAutomatic) {
    inbox_.AddInDoubt(sequences, since);
  } else {
    for (uint64_t sequence : sequences) MarkInDoubt(sequence, since);
  }
}

void MemoryPendingQueue::MarkInDoubt(uint64_t sequence, absl::Time since) {
  if (!claimed_.contains(sequence)) return;
  doubts_.Add(sequence, since);
}

PendingRecord MemoryPendingQueue::ReadRecord(uint64_t sequence) const {
  PendingRecord record = contents_->records.at(sequence).record;
  record.claimed = claimed_.contains(sequence);
  record.first_sent_time = doubts_.FirstSentTime(record);
  return record;
}

void MemoryPendingQueue::TrimOldest(int64_t count_max, int64_t bytes_max, bool keep_dropped) {
  absl::MutexLock lock(&mutex_);
  inbox_.AddTrim(count_max, bytes_max, keep_dropped);
}

absl::StatusOr<std::vector<PendingRecord>> MemoryPendingQueue::Claim(uint64_t after,
                                                                     int64_t count_max,
                                                                     int64_t bytes_max) {
  std::vector<PendingRecord> records;
  absl::Status status = RunBetweenCommits([&] {
    absl::MutexLock lock(&mutex_);
    int64_t bytes = 0;
    for (auto it = contents_->records.upper_bound(after);
         it != contents_->records.end() && static_cast<int64_t>(records.size()) < count_max; ++it) {
      const PendingRecord& record = it->second.record;
      if (claimed_.contains(it->first)) continue;
      if (!records.empty() && bytes + record.size_bytes > bytes_max) break;
      bytes += record.size_bytes;
      claimed_.insert(it->first);
      records.push_back(ReadRecord(it->first));
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return records;
}

absl::StatusOr<std::vector<PendingRecord>> MemoryPendingQueue::Scan(uint64_t after,
                                                                    int64_t count_max,
                                                                    bool with_payload) {
  std::vector<PendingRecord> records;
  absl::Status status = RunBetweenCommits([&] {
    absl::MutexLock lock(&mutex_);
    for (auto it = contents_->records.upper_bound(after);
         it != contents_->records.end() && static_cast<int64_t>(records.size()) < count_max; ++it) {
      records.push_back(ReadRecord(it->first));
      if (!with_payload) records.back().payload.clear();
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return records;
}

absl::StatusOr<int64_t> MemoryPendingQueue::Purge(absl::Span<const uint64_t> sequences) {
  std::vector<RemovedRecord> purged;
  absl::Status status = RunBetweenCommits([&] {
    {
      absl::MutexLock lock(&mutex_);
      for (uint64_t sequence : sequences) {
        if (claimed_.contains(sequence) || contents_->records.count(sequence) == 0) continue;
        purged.push_back(Erase(sequence));
        ++taken_total_;
      }
    }
    if (!purged.empty()) observer_->OnRemoved(purged, RemovalCause::kPurged);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return static_cast<int64_t>(purged.size());
}

PendingQueueStats MemoryPendingQueue::GetStats() const {
  absl::MutexLock lock(&mutex_);
  PendingQueueStats stats;
  stats.count = contents_->records.size();
  stats.bytes = bytes_;
  stats.oldest_accept_time = contents_->records.empty()
                                 ? absl::InfiniteFuture()
                                 : contents_->records.begin()->second.record.accept_time;
  for (const auto& [sequence, stored] : contents_->records) {
    stats.next_expire_time = std::min(stats.next_expire_time, stored.record.expire_time);
  }
  stats.dead_letters = contents_->dead_letters.size();
  stats.dead_letter_bytes = dead_letter_bytes_;
  for (const auto& [sequence, dead_letter] : contents_->dead_letters) {
    ++stats.dead_letters_by_label[DeadLetterLabelIndex(dead_letter.reason.reason)];
  }
  stats.removed_total = removed_total_;
  stats.taken_total = taken_total_;
  stats.redriven_total = redriven_total_;
  stats.healthy = healthy_;
  return stats;
}

void MemoryPendingQueue::Close() {
  {
    absl::MutexLock lock(&mutex_);
    if (!open_ || closed_) return;
    closing_ = true;
    if (mode_ == Mode::kAutomatic) {
      mutex_.Await(absl::Condition(&closed_));
      return;
    }
  }
  Flush();
  absl::MutexLock lock(&mutex_);
  closed_ = true;
}

void MemoryPendingQueue::Flush() {
  PendingInbox work;
  {
    absl::MutexLock lock(&mutex_);
    std::swap(inbox_, work);
  }
  Commit(work);
}

absl::Status MemoryPendingQueue::RunBetweenCommits(absl::FunctionRef<absl::Status()> work) {
  PendingInbox::Request request(work);
  {
    absl::MutexLock lock(&mutex_);
    if (!open_ || closed_) return ClosedError();
    if (mode_ == Mode::kAutomatic) inbox_.requests.push_back(&request);
  }
  if (mode_ == Mode::kManual) return work();
  request.done.WaitForNotification();
  return request.result;
}

bool MemoryPendingQueue::HasWork() const {
  return !inbox_.empty() || (closing_ && !closed_) || ending_;
}

void MemoryPendingQueue::RunWriter() {
  while (true) {
    PendingInbox work;
    bool closing, closed;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &MemoryPendingQueue::HasWork));
      std::swap(inbox_, work);
      closing = closing_;
      closed = closed_;
      if (ending_ && work.empty()) return;
    }
    Commit(work);
    for (PendingInbox::Request* request : work.requests) {
      request->result = closed ? ClosedError() : request->work();
      request->done.Notify();
    }
    absl::MutexLock lock(&mutex_);
    closed_ = closing;
  }
}

void MemoryPendingQueue::Commit(const PendingInbox& work) {
  Trimmed trimmed;
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    status = closed_ ? ClosedError() : Apply(work, &trimmed);
  }
  if (!work.operations.empty()) observer_->OnAppended(work.operations, status);
  if (!trimmed.gone.empty()) observer_->OnRemoved(trimmed.gone, RemovalCause::kDroppedOldest);
  if (!trimmed.kept.empty()) observer_->OnRemoved(trimmed.kept, RemovalCause::kDroppedAndKept);
}

absl::Status MemoryPendingQueue::Apply(const PendingInbox& work, Trimmed* trimmed) {
  TakeSequences(work);
  if (!work.operations.empty() && !next_append_status_.ok()) {
    healthy_ = false;
    return std::exchange(next_append_status_, absl::OkStatus());
  }
  healthy_ = true;
  RemoveDelivered();
  size_t next = 0;
  for (const PendingInbox::Command& command : work.commands) {
    if (command.kind == PendingInbox::Kind::kTrim) {
      Trim(command, trimmed);
    } else if (command.kind == PendingInbox::Kind::kAppend) {
      for (size_t i = 0; i < command.count; ++i) Insert(work.operations[next++]);
    }
  }
  return absl::OkStatus();
}

void MemoryPendingQueue::TakeSequences(const PendingInbox& work) {
  size_t next = 0;
  for (const PendingInbox::Command& command : work.commands) {
    if (!command.has_sequences()) continue;
    for (size_t i = 0; i < command.count; ++i) {
      const uint64_t sequence = work.sequences[next++];
      if (command.kind == PendingInbox::Kind::kRemove) {
        delivered_.push_back(sequence);
      } else if (command.kind == PendingInbox::Kind::kRelease) {
        claimed_.erase(sequence);
      } else {
        MarkInDoubt(sequence, command.since);
      }
    }
  }
}

void MemoryPendingQueue::RemoveDelivered() {
  for (uint64_t sequence : delivered_) {
    if (!claimed_.contains(sequence)) continue;
    Erase(sequence);
    ++removed_total_;
  }
  delivered_.clear();
}

void MemoryPendingQueue::Insert(Operation* operation) {
  const uint64_t sequence = ++contents_->last_sequence;
  operation->operation_id = sequence;
  contents_->records[sequence] = {RecordOf(*operation, sequence), operation->key_hash,
                                  operation->content_hash};
  bytes_ += operation->size_bytes;
}

void MemoryPendingQueue::Trim(const PendingInbox::Command& limits, Trimmed* trimmed) {
  for (auto it = contents_->records.begin(); it != contents_->records.end();) {
    const bool too_large = bytes_ + dead_letter_bytes_ > limits.bytes_max;
    const int64_t count = contents_->records.size();
    if (count <= limits.count_max && !too_large) return;
    const uint64_t sequence = (it++)->first;
    if (claimed_.contains(sequence)) continue;
    if (limits.keep_dropped && !too_large) {
      trimmed->kept.push_back(Bury(sequence, {std::string(kDroppedOldestLabel), "full", 0, ""}));
    } else {
      trimmed->gone.push_back(Erase(sequence));
      ++taken_total_;
    }
  }
}

RemovedRecord MemoryPendingQueue::Erase(uint64_t sequence) {
  const auto it = contents_->records.find(sequence);
  const RemovedRecord removed = {sequence, it->second.key_hash, it->second.record.size_bytes};
  bytes_ -= removed.size_bytes;
  claimed_.erase(sequence);
  doubts_.Forget(sequence);
  contents_->records.erase(it);
  return removed;
}

}  // namespace router
