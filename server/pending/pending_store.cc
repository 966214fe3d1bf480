#include "server/pending/pending_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/pending/durable_file.h"

namespace router {
namespace {

constexpr int64_t kPageBytes = RecordTable::kPageBytes;
constexpr int64_t kLogHeaderBytes = 32;
constexpr int64_t kFrameHeaderBytes = 24;

constexpr int64_t kCheckpointFrames = 1000;
constexpr int64_t kShrinkFromPages = 4096;
constexpr int64_t kShrinkStepPages = 2048;

// Room for the pages that a commit touches beside those of its rows.
constexpr int64_t kCommitOverheadBytes = 256 << 10;

int64_t LogBytes(int64_t frames) {
  return frames == 0 ? 0 : kLogHeaderBytes + frames * (kFrameHeaderBytes + kPageBytes);
}

}  // namespace

PendingStore::PendingStore(const Options& options)
    : options_(options),
      path_(absl::StrCat(options.directory, "/pending.db")),
      log_path_(absl::StrCat(path_, "-wal")),
      mark_(absl::StrCat(options.directory, "/high_water_mark")),
      damage_log_(absl::StrCat(options.directory, "/damage.log")) {}

PendingStore::~PendingStore() = default;

absl::Status PendingStore::Fail(absl::string_view op, const absl::Status& status) {
  ReportError(op, std::string(status.message()));
  if (absl::IsDataLoss(status)) structure_ = status;
  const bool in_transaction = op == "append" || op == "remove";
  if (in_transaction && !all_synced()) {
    committed_ = synced_;
    committed_log_bytes_ = synced_log_bytes_;
    went_back_ = true;
  }
  if (database_ != nullptr) database_->Abandon();
  table_.reset();
  database_.reset();
  return status;
}

absl::Status PendingStore::Begin(Sync sync) {
  next_ = committed_;
  next_has_appends_ = false;
  absl::Status status = SetSync(sync);
  if (status.ok()) status = database_->Execute("BEGIN IMMEDIATE");
  return status.ok() ? status : Fail("append", status);
}

absl::Status PendingStore::SetSync(Sync sync) {
  if (sync == sync_) return absl::OkStatus();
  absl::Status status = database_->Execute(sync == Sync::kNow ? "PRAGMA synchronous = FULL"
                                                              : "PRAGMA synchronous = NORMAL");
  if (status.ok()) sync_ = sync;
  return status;
}

absl::StatusOr<uint64_t> PendingStore::Insert(const Operation& operation) {
  absl::Status status = table_->Insert(next_.last_sequence + 1, operation);
  if (!status.ok()) return Fail("append", status);
  ++next_.record_count;
  next_has_appends_ = true;
  return ++next_.last_sequence;
}

absl::StatusOr<RemovedRecord> PendingStore::InsertAgain(RecordFields fields) {
  const int64_t now_ms = absl::ToUnixMillis(options_.clock->WallNow());
  if (fields.expires_at_ms.has_value() && *fields.expires_at_ms <= now_ms) {
    fields.expires_at_ms.reset();
  }
  fields.sequence = next_.last_sequence + 1;
  if (absl::Status status = table_->Insert(fields); !status.ok()) return status;
  ++next_.record_count;
  ++next_.last_sequence;
  next_has_appends_ = true;
  return KeyOf(fields);
}

absl::StatusOr<int64_t> PendingStore::DeleteRange(uint64_t first, uint64_t last) {
  absl::StatusOr<int64_t> deleted = table_->DeleteRange(first, last);
  if (!deleted.ok()) return Fail("remove", deleted.status());
  next_.record_count -= *deleted;
  return deleted;
}

absl::Status PendingStore::CopyToDeadLetters(uint64_t sequence, const DeadLetterReason& reason) {
  absl::Status status = table_->CopyToDeadLetters(sequence, reason, options_.clock->WallNow());
  return status.ok() ? status : Fail("remove", status);
}

absl::Status PendingStore::SetDeadLetterSent(uint64_t sequence, int64_t first_sent_at_ms,
                                             uint64_t checksum) {
  absl::Status status = table_->SetDeadLetterSent(sequence, first_sent_at_ms, checksum);
  return status.ok() ? status : Fail("remove", status);
}

absl::Status PendingStore::DeleteDeadLetter(uint64_t sequence) {
  absl::Status status = table_->DeleteDeadLetter(sequence);
  return status.ok() ? status : Fail("remove", status);
}

absl::Status PendingStore::SetAside(uint64_t sequence) {
  ReportDamaged("record", sequence);
  return CopyToDamaged(sequence);
}

absl::Status PendingStore::SetAsideDeadLetter(uint64_t sequence) {
  ReportDamaged("dead letter", sequence);
  absl::Status status = table_->CopyDeadLetterToDamaged(sequence, "its checksum does not match",
                                                        options_.clock->WallNow());
  return status.ok() ? status : Fail("remove", status);
}

absl::Status PendingStore::CopyToDamaged(uint64_t sequence) {
  absl::Status status =
      table_->CopyToDamaged(sequence, "its checksum does not match", options_.clock->WallNow());
  return status.ok() ? status : Fail("remove", status);
}

void PendingStore::ReportDamaged(absl::string_view what, uint64_t sequence) {
  ReportError("read", absl::StrCat(what, " ", sequence, " of ", path_,
                                   " is damaged: it is set aside in the table `damaged`"));
  ++damaged_rows_;
}

absl::Status PendingStore::Commit() {
  const absl::string_view op = next_has_appends_ ? "append" : "remove";
  ++next_.commit_number;
  absl::Status status = table_->WriteState(next_);
  if (!status.ok()) return Fail(op, status);
  if (options_.before_commit) options_.before_commit();
  const SteadyTime start = options_.clock->SteadyNow();
  status = database_->Execute("COMMIT");
  if (!status.ok()) return Fail(op, status);
  committed_ = next_;
  committed_log_bytes_ = LogBytes(database_->wal_frames());
  // The mark must never be ahead of the log on disk.
  if (sync_ == Sync::kLater) return status;
  NoteSynced();
  WriteMark();
  if (damaged_rows_ > 0) {
    NoteDamage(damaged_rows_, absl::StrCat("damaged records of ", path_,
                                           " were set aside in its table `damaged`"));
    damaged_rows_ = 0;
  }
  if (options_.on_commit) {
    options_.on_commit(absl::FromChrono(options_.clock->SteadyNow() - start));
  }
  return status;
}

void PendingStore::NoteSynced() {
  synced_ = committed_;
  synced_log_bytes_ = committed_log_bytes_;
}

// Without the mark the commit stands all the same; only damage to it would go unnoticed.
void PendingStore::WriteMark() {
  const absl::Status status = mark_.Write({committed_.commit_number, committed_.last_sequence,
                                           committed_.record_count, RecordTable::kFormatVersion},
                                          next_has_appends_);
  if (!status.ok()) ReportError("append", std::string(status.message()));
}

absl::Status PendingStore::CheckRoom(int64_t bytes) {
  const absl::StatusOr<int64_t> free_bytes = FreeDiskBytes(options_.directory);
  if (!free_bytes.ok()) return free_bytes.status();
  const bool low = *free_bytes < options_.min_free_disk_bytes;
  if (!low && options_.max_file_bytes <= 0) return absl::OkStatus();

  const absl::StatusOr<int64_t> pages = database_->QueryInt64("PRAGMA page_count");
  if (!pages.ok()) return pages.status();
  const absl::StatusOr<int64_t> unused_pages = database_->QueryInt64("PRAGMA freelist_count");
  if (!unused_pages.ok()) return unused_pages.status();

  // Unused pages of the file are as good as free disk, as long as the log has room.
  const int64_t unused_bytes = *unused_pages * kPageBytes;
  if (low && (*free_bytes + unused_bytes < options_.min_free_disk_bytes ||
              *free_bytes < options_.min_free_disk_bytes / 4)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the disk of ", options_.directory, " has ", *free_bytes, " bytes free, and ",
                     options_.min_free_disk_bytes, " have to stay free: make room"));
  }
  const int64_t used_bytes = *pages * kPageBytes - unused_bytes;
  // Rows that just do not fit in twos on a page take twice their size.
  if (options_.max_file_bytes > 0 &&
      used_bytes + 2 * bytes + kCommitOverheadBytes > options_.max_file_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        path_, " holds ", used_bytes, " bytes and may grow to ", options_.max_file_bytes));
  }
  return absl::OkStatus();
}

absl::Status PendingStore::CheckpointIfDue() {
  if (database_->wal_frames() < kCheckpointFrames) return absl::OkStatus();
  return Checkpoint(SQLITE_CHECKPOINT_PASSIVE);
}

absl::Status PendingStore::Checkpoint(int mode) {
  absl::Status status = database_->Checkpoint(mode);
  if (!status.ok()) return Fail("checkpoint", status);
  committed_log_bytes_ = 0;
  const bool is_mark_behind = !all_synced();
  NoteSynced();
  next_has_appends_ = false;
  if (is_mark_behind) WriteMark();
  return status;
}

absl::StatusOr<bool> PendingStore::ShrinkSome() {
  const absl::StatusOr<int64_t> unused = database_->QueryInt64("PRAGMA freelist_count");
  if (!unused.ok()) return Fail("checkpoint", unused.status());
  if (*unused < kShrinkFromPages) return false;
  const absl::StatusOr<int64_t> pages = database_->QueryInt64("PRAGMA page_count");
  if (!pages.ok()) return Fail("checkpoint", pages.status());
  if (*unused < *pages / 2) return false;
  absl::Status status =
      database_->Execute(absl::StrCat("PRAGMA incremental_vacuum(", kShrinkStepPages, ")"));
  if (!status.ok()) return Fail("checkpoint", status);
  committed_log_bytes_ = LogBytes(database_->wal_frames());
  // The file itself gets smaller with the checkpoint.
  if (status = Checkpoint(SQLITE_CHECKPOINT_PASSIVE); !status.ok()) return status;
  return true;
}

absl::Status PendingStore::ReadError(const absl::Status& status) {
  ReportError("read", std::string(status.message()));
  return absl::IsDataLoss(status) ? status : absl::UnavailableError(status.message());
}

void PendingStore::Close() {
  if (is_open() && !all_synced()) SyncRemovals().IgnoreError();
  table_.reset();
  database_.reset();
  lock_.reset();
}

void PendingStore::ReportDamage(int64_t records, const std::string& what) {
  ReportError("open", what);
  NoteDamage(records, what);
}

void PendingStore::NoteDamage(int64_t records, const std::string& what) {
  const absl::Status status = damage_log_.Add(options_.clock->WallNow(), records, what);
  if (!status.ok()) ReportError("open", std::string(status.message()));
}

void PendingStore::ReportError(absl::string_view op, const std::string& error) {
  if (options_.on_error) options_.on_error(op, error);
}

absl::Status PendingStore::WithPath(const absl::Status& status) const {
  return absl::Status(status.code(), absl::StrCat("cannot open the pending queue in ",
                                                  options_.directory, ": ", status.message()));
}

}  // namespace router
