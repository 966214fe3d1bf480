#include "server/pending/sqlite_pending_queue.h"

#include <algorithm>
#include <utility>

namespace router {
namespace {

// Purges take turns with commits.
constexpr size_t kPurgeChunk = 4096;

// How far ahead of what is sent it is noted: a commit for so many records.
constexpr uint64_t kSendingLeap = 8192;

// How soon it is seen that damage was acknowledged.
constexpr absl::Duration kDamageRefreshPeriod = absl::Milliseconds(500);

// When nothing has been written for so long, removals are synced and unused space is given back:
// before, it may be used again, and what is moved for it may be about to leave.
constexpr absl::Duration kQuiet = absl::Seconds(1);

PendingStore::Options StoreOptions(const SqlitePendingQueue::Options& options) {
  PendingStore::Options store;
  store.directory = options.directory;
  store.min_free_disk_bytes = options.min_free_disk_bytes;
  store.max_file_bytes = options.max_file_bytes;
  store.clock = options.clock;
  store.before_commit = options.before_commit;
  store.on_commit = options.on_commit;
  store.on_error = options.on_error;
  return store;
}

std::vector<uint64_t> Sorted(absl::Span<const uint64_t> sequences) {
  std::vector<uint64_t> sorted(sequences.begin(), sequences.end());
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  return sorted;
}

absl::Status ClosedError() { return absl::UnavailableError("the pending queue is closed"); }

}  // namespace

SqlitePendingQueue::SqlitePendingQueue(const Options& options) : writer_(StoreOptions(options)) {}

SqlitePendingQueue::~SqlitePendingQueue() {
  Close();
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<RecoveredQueue> SqlitePendingQueue::Open(Observer* observer) {
  observer_ = observer;
  absl::StatusOr<RecoveredQueue> recovered = writer_.Open(observer);
  if (!recovered.ok()) return recovered;
  {
    absl::MutexLock lock(&mutex_);
    open_ = true;
  }
  sending_through_ = writer_.sending_through();
  thread_ = std::thread([this] { RunWriter(); });
  return recovered;
}

void SqlitePendingQueue::Append(absl::Span<Operation* const> operations) {
  if (operations.empty()) return;
  absl::MutexLock lock(&mutex_);
  inbox_.AddAppend(operations);
}

void SqlitePendingQueue::Remove(absl::Span<const uint64_t> sequences) {
  if (sequences.empty()) return;
  absl::MutexLock lock(&mutex_);
  inbox_.AddSequences(PendingInbox::Kind::kRemove, sequences);
}

void SqlitePendingQueue::Release(absl::Span<const uint64_t> sequences) {
  if (sequences.empty()) return;
  absl::MutexLock lock(&mutex_);
  inbox_.AddSequences(PendingInbox::Kind::kRelease, sequences);
}

void SqlitePendingQueue::TrimOldest(int64_t count_max, int64_t bytes_max, bool keep_dropped) {
  absl::MutexLock lock(&mutex_);
  inbox_.AddTrim(count_max, bytes_max, keep_dropped);
}

absl::StatusOr<std::vector<PendingRecord>> SqlitePendingQueue::Claim(uint64_t after,
                                                                     int64_t count_max,
                                                                     int64_t bytes_max) {
  std::vector<PendingRecord> records;
  absl::Status status =
      RunOnWriter([&] { return writer_.Claim(after, count_max, bytes_max, &records); });
  if (!status.ok()) return status;
  return records;
}

absl::Status SqlitePendingQueue::NoteSending(uint64_t through) {
  uint64_t sent = sent_through_;
  while (sent < through && !sent_through_.compare_exchange_weak(sent, through)) {
  }
  if (through <= sending_through_) return absl::OkStatus();
  return RunOnWriter([&] {
    if (through <= sending_through_) return absl::OkStatus();
    absl::Status status = writer_.NoteSending(through + kSendingLeap);
    if (status.ok()) sending_through_ = writer_.sending_through();
    return status;
  });
}

void SqlitePendingQueue::NoteInDoubt(absl::Span<const uint64_t> sequences, absl::Time since) {
  if (sequences.empty()) return;
  absl::MutexLock lock(&mutex_);
  inbox_.AddInDoubt(sequences, since);
}

absl::StatusOr<std::vector<PendingRecord>> SqlitePendingQueue::Scan(uint64_t after,
                                                                    int64_t count_max,
                                                                    bool with_payload) {
  std::vector<PendingRecord> records;
  absl::Status status =
      RunOnWriter([&] { return writer_.Scan(after, count_max, with_payload, &records); });
  if (!status.ok()) return status;
  return records;
}

absl::StatusOr<int64_t> SqlitePendingQueue::Purge(absl::Span<const uint64_t> sequences) {
  const std::vector<uint64_t> sorted = Sorted(sequences);
  int64_t purged = 0;
  absl::Span<const uint64_t> left = sorted;
  while (!left.empty()) {
    const absl::Span<const uint64_t> chunk = left.subspan(0, kPurgeChunk);
    absl::Status status = RunOnWriter([&] { return writer_.Purge(chunk, &purged); });
    if (!status.ok()) return status;
    left.remove_prefix(chunk.size());
  }
  return purged;
}

absl::StatusOr<std::vector<RemovedRecord>> SqlitePendingQueue::ClaimExpired(absl::Time now,
                                                                            int64_t count_max,
                                                                            int64_t bytes_max) {
  std::vector<RemovedRecord> records;
  absl::Status status =
      RunOnWriter([&] { return writer_.ClaimExpired(now, count_max, bytes_max, &records); });
  if (!status.ok()) return status;
  return records;
}

absl::Status SqlitePendingQueue::MoveToDeadLetters(absl::Span<const DeadLetterVerdict> verdicts) {
  if (verdicts.empty()) return absl::OkStatus();
  return RunOnWriter([&] { return writer_.MoveToDeadLetters(verdicts); });
}

absl::StatusOr<std::vector<DeadLetter>> SqlitePendingQueue::ScanDeadLetters(uint64_t after,
                                                                            int64_t count_max,
                                                                            bool with_payload) {
  std::vector<DeadLetter> dead_letters;
  absl::Status status = RunOnWriter(
      [&] { return writer_.ScanDeadLetters(after, count_max, with_payload, &dead_letters); });
  if (!status.ok()) return status;
  return dead_letters;
}

absl::StatusOr<int64_t> SqlitePendingQueue::RedriveDeadLetters(
    absl::Span<const uint64_t> sequences) {
  if (sequences.empty()) return 0;
  const std::vector<uint64_t> sorted = Sorted(sequences);
  int64_t redriven = 0;
  absl::Status status = RunOnWriter([&] { return writer_.RedriveDeadLetters(sorted, &redriven); });
  if (!status.ok()) return status;
  return redriven;
}

absl::StatusOr<int64_t> SqlitePendingQueue::PurgeDeadLetters(absl::Span<const uint64_t> sequences) {
  if (sequences.empty()) return 0;
  const std::vector<uint64_t> sorted = Sorted(sequences);
  int64_t purged = 0;
  absl::Status status = RunOnWriter([&] { return writer_.PurgeDeadLetters(sorted, &purged); });
  if (!status.ok()) return status;
  return purged;
}

PendingQueueStats SqlitePendingQueue::GetStats() const { return writer_.GetStats(); }

void SqlitePendingQueue::Close() {
  absl::MutexLock lock(&mutex_);
  if (!open_) return;
  closing_ = true;
  mutex_.Await(absl::Condition(&closed_));
}

absl::Status SqlitePendingQueue::RunOnWriter(absl::FunctionRef<absl::Status()> work) {
  PendingInbox::Request request(work);
  {
    absl::MutexLock lock(&mutex_);
    if (!open_ || closed_) return ClosedError();
    inbox_.requests.push_back(&request);
  }
  request.done.WaitForNotification();
  return request.result;
}

bool SqlitePendingQueue::HasWork() const {
  return !inbox_.empty() || (closing_ && !closed_) || ending_;
}

bool SqlitePendingQueue::IsIdle() const {
  absl::MutexLock lock(&mutex_);
  return !HasWork();
}

SqlitePendingQueue::Phase SqlitePendingQueue::WaitForWork(PendingInbox* work) {
  work->clear();
  writer_.RefreshDamage();
  const bool has_damage = writer_.has_damage();
  absl::MutexLock lock(&mutex_);
  const absl::Condition has_work(this, &SqlitePendingQueue::HasWork);
  absl::Duration wait = absl::InfiniteDuration();
  if (has_damage) wait = kDamageRefreshPeriod;
  if (writer_.failing() && !closed_) wait = std::min(wait, writer_.UntilRetry());
  // A failing disk, or a closed one, has its own time.
  if (quiet_at_ != SteadyTime::max() && !writer_.failing()) wait = std::min(wait, UntilQuiet());
  mutex_.AwaitWithTimeout(has_work, wait);
  std::swap(inbox_, *work);
  if (ending_) return Phase::kEnding;
  if (closed_) return Phase::kClosed;
  return closing_ ? Phase::kClosing : Phase::kOpen;
}

absl::Duration SqlitePendingQueue::UntilQuiet() const {
  return std::max(absl::FromChrono(quiet_at_ - SteadyTime::clock::now()), absl::ZeroDuration());
}

void SqlitePendingQueue::RunWriter() {
  PendingInbox work;
  while (true) {
    const Phase phase = WaitForWork(&work);
    if (phase == Phase::kEnding || phase == Phase::kClosed) {
      Refuse(work);
      if (phase == Phase::kEnding) return;
      continue;
    }
    Serve(work);
    if (!work.commands.empty()) {
      quiet_at_ = SteadyTime::clock::now() + absl::ToChronoNanoseconds(kQuiet);
    } else if (SteadyTime::clock::now() >= quiet_at_ && !writer_.failing()) {
      quiet_at_ = SteadyTime::max();
      writer_.SyncRemovals();
      while (IsIdle() && writer_.ShrinkSome()) {
      }
    }
    if (phase == Phase::kClosing) {
      writer_.Close(sent_through_);
      absl::MutexLock lock(&mutex_);
      closed_ = true;
    }
  }
}

void SqlitePendingQueue::Serve(const PendingInbox& work) {
  if (writer_.failing() && writer_.UntilRetry() <= absl::ZeroDuration()) writer_.Recover();
  writer_.Execute(work);
  for (PendingInbox::Request* request : work.requests) {
    request->result = request->work();
    request->done.Notify();
  }
}

void SqlitePendingQueue::Refuse(const PendingInbox& work) {
  if (!work.operations.empty()) observer_->OnAppended(work.operations, ClosedError());
  for (PendingInbox::Request* request : work.requests) {
    request->result = ClosedError();
    request->done.Notify();
  }
}

}  // namespace router
