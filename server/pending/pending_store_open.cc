// How a PendingStore is opened, what it checks then, and what it does about damage.
#include <fcntl.h>
#include <stdio.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/pending/durable_file.h"
#include "server/pending/pending_salvage.h"
#include "server/pending/pending_store.h"

namespace router {
namespace {

constexpr int64_t kPageBytes = RecordTable::kPageBytes;

std::string Settings(int64_t max_file_bytes) {
  std::string settings = absl::StrCat(
      // No other process is to be expected, so no shared memory is needed.
      "PRAGMA locking_mode = EXCLUSIVE;", "PRAGMA page_size = ", kPageBytes, ";",
      "PRAGMA mmap_size = 0;", "PRAGMA cache_size = -16384;", "PRAGMA temp_store = MEMORY;",
      "PRAGMA trusted_schema = OFF;", "PRAGMA journal_size_limit = 16777216;");
  if (max_file_bytes > 0) {
    absl::StrAppend(&settings,
                    "PRAGMA max_page_count = ", std::max<int64_t>(1, max_file_bytes / kPageBytes),
                    ";");
  }
  return settings;
}

// For a report.
std::string DeadLettersIn(const Salvaged& salvaged) {
  return absl::StrCat("; ", salvaged.dead_letters, " dead letters are copied, ",
                      salvaged.damaged_dead_letters, " damaged ones are not copied");
}

}  // namespace

absl::StatusOr<RecoveredQueue> PendingStore::Open() {
  absl::Status status = CreateFiles();
  if (!status.ok()) return WithPath(status);
  const absl::optional<HighWaterMark::Position> mark = mark_.Read();
  status = OpenDatabase();
  if (absl::IsDataLoss(status)) status = StartAnew(status, mark);
  if (!status.ok()) return WithPath(status);

  const int64_t expected_count = committed_.record_count;
  status = CheckHighWaterMark(mark);
  if (!status.ok()) return WithPath(status);

  RecoveredQueue recovered;
  status = LoadRecords(&recovered);
  if (status.ok()) status = table_->CountDeadLetters(&recovered);
  if (absl::IsDataLoss(status)) {
    status = Rebuild(status);
    if (status.ok()) status = LoadRecords(&recovered);
    if (status.ok()) status = table_->CountDeadLetters(&recovered);
  }
  if (!status.ok()) return WithPath(status);

  const int64_t found_count = recovered.records.size() + damaged_.size();
  if (found_count != expected_count) {
    ReportDamage(std::max<int64_t>(0, expected_count - found_count),
                 absl::StrCat(path_, " holds ", found_count, " records where ", expected_count,
                              " were committed: some are lost"));
  }
  committed_.record_count = found_count;
  if (!recovered.records.empty()) {
    committed_.last_sequence =
        std::max(committed_.last_sequence, recovered.records.back().sequence);
  }
  // It was noted ahead of what there was: what is appended from now on has surely not been sent.
  committed_.sending_through = std::min(committed_.sending_through, committed_.last_sequence);
  // A disk that is full or fails must not keep the router from starting: the writer goes on trying.
  Repair().IgnoreError();
  return recovered;
}

absl::Status PendingStore::CreateFiles() {
  absl::Status status = CreateDirectories(options_.directory);
  if (!status.ok()) return status;
  absl::StatusOr<FolderLock> lock = FolderLock::Acquire(options_.directory);
  if (!lock.ok()) return lock.status();
  lock_.emplace(*std::move(lock));
  damage_log_.Open();
  // Created here for its permissions; SQLite gives its other files the same.
  absl::StatusOr<FileDescriptor> file = OpenFile(path_, O_RDWR | O_CREAT);
  if (!file.ok()) return file.status();
  return SyncDirectory(options_.directory);
}

absl::Status PendingStore::OpenDatabase() {
  // SQLite would delete the log.
  if (FileSizeBytes(path_) <= 0 && FileSizeBytes(log_path_) > 0) {
    return absl::DataLossError(absl::StrCat(path_, " is missing or empty, and its log is not"));
  }
  absl::StatusOr<std::unique_ptr<SqliteDatabase>> database = SqliteDatabase::Open(path_);
  if (!database.ok()) return database.status();
  absl::Status status = (*database)->Execute(Settings(options_.max_file_bytes));
  if (!status.ok()) return status;
  const absl::StatusOr<int64_t> version = RecordTable::EnsureFormat(database->get());
  if (!version.ok()) {
    const absl::StatusOr<int64_t> said = (*database)->QueryInt64("PRAGMA user_version");
    const bool known = said.ok() && *said >= 1 && *said <= RecordTable::kFormatVersion;
    if (!said.ok() || known || !WasOfKnownFormat()) return version.status();
    return absl::DataLossError(
        absl::StrCat("the header of ", path_, " is damaged: ", version.status().message()));
  }
  const absl::StatusOr<std::string> mode = (*database)->QueryText("PRAGMA journal_mode = WAL");
  if (!mode.ok()) return mode.status();
  if (*mode != "wal") return absl::FailedPreconditionError("it cannot have a write-ahead log");
  // The file may be written, or it would not have been opened: the database does not know itself.
  if ((*database)->is_read_only()) {
    return absl::DataLossError(absl::StrCat("the header of ", path_, " is damaged"));
  }
  status = (*database)->Execute("PRAGMA synchronous = FULL");
  sync_ = Sync::kNow;
  if (status.ok()) status = UpgradeFormat(database->get(), *version);
  if (!status.ok()) return status;
  absl::StatusOr<std::unique_ptr<RecordTable>> table = RecordTable::Prepare(database->get());
  if (!table.ok()) return table.status();
  const absl::StatusOr<QueueState> state = (*table)->ReadState();
  if (!state.ok()) return state.status();
  database_ = *std::move(database);
  table_ = *std::move(table);
  committed_ = *state;
  committed_log_bytes_.reset();
  NoteSynced();
  return absl::OkStatus();
}

// Whether the mark says that the database is ours and of a known version, whatever it says itself.
bool PendingStore::WasOfKnownFormat() const {
  const absl::optional<HighWaterMark::Position> known = mark_.Read();
  return known.has_value() && known->format_version >= 1 &&
         known->format_version <= RecordTable::kFormatVersion;
}

absl::Status PendingStore::UpgradeFormat(SqliteDatabase* database, int64_t version) {
  if (version == RecordTable::kFormatVersion) return absl::OkStatus();
  // A log that has lost commits is copied aside before anything is written behind them.
  const absl::optional<HighWaterMark::Position> known = mark_.Read();
  const absl::StatusOr<int64_t> commit_number =
      database->QueryInt64("SELECT commit_number FROM queue_state");
  if (!commit_number.ok()) return commit_number.status();
  if (known.has_value() && static_cast<int64_t>(known->commit_number) > *commit_number) {
    std::string kept_as;
    if (absl::Status status = SetAsideLog(&kept_as); !status.ok()) return status;
  }
  return RecordTable::Upgrade(database, version);
}

// Compares what the database says with what is known to have been committed.
absl::Status PendingStore::CheckHighWaterMark(
    const absl::optional<HighWaterMark::Position>& known) {
  if (!known.has_value()) {
    if (committed_.commit_number == 0) return absl::OkStatus();
    ReportDamage(0, absl::StrCat("the high-water mark in ", options_.directory,
                                 " cannot be read: a loss would go unnoticed this time"));
    committed_.sending_through = committed_.last_sequence;
    return absl::OkStatus();
  }
  const uint64_t last_sequence = std::max(committed_.last_sequence, known->last_sequence);
  if (known->commit_number <= committed_.commit_number) {
    committed_.last_sequence = last_sequence;
    return absl::OkStatus();
  }
  if (lost_behind_commit_ != committed_.commit_number) {
    absl::Status status = ReportLostCommits(*known);
    if (!status.ok()) return status;
    lost_behind_commit_ = committed_.commit_number;
  }
  committed_.commit_number = known->commit_number;
  committed_.last_sequence = last_sequence;
  // What was noted is among what is lost.
  committed_.sending_through = std::max(committed_.sending_through, last_sequence);
  return absl::OkStatus();
}

absl::Status PendingStore::ReportLostCommits(const HighWaterMark::Position& known) {
  std::string kept_as;
  absl::Status status = SetAsideLog(&kept_as);
  if (!status.ok()) return status;
  int64_t missing = static_cast<int64_t>(known.last_sequence - committed_.last_sequence);
  if (known.record_count != HighWaterMark::Position::kUnknown) {
    missing = std::min(missing, known.record_count);
  }
  ReportDamage(
      missing,
      absl::StrCat(
          path_, " has lost its last ", known.commit_number - committed_.commit_number,
          " commits: the log is damaged. At most ", missing, " queued messages are missing, of ",
          committed_.last_sequence + 1, " to ", known.last_sequence,
          "; delivered ones may be sent again. ",
          kept_as.empty() ? "There is no log" : absl::StrCat("The log is kept as ", kept_as)));
  return status;
}

absl::Status PendingStore::SetAsideLog(std::string* kept_as) {
  if (FileSizeBytes(log_path_) <= 0) return absl::OkStatus();
  *kept_as = absl::StrCat(log_path_, ".damaged-", absl::ToUnixMillis(options_.clock->WallNow()));
  return CopyFile(log_path_, *kept_as);
}

absl::Status PendingStore::LoadRecords(RecoveredQueue* recovered) {
  recovered->records.clear();
  recovered->ids.clear();
  recovered->records.reserve(std::max<int64_t>(0, committed_.record_count));
  uint64_t last = 0;
  bool ordered = true;
  absl::Status status = table_->ReadRecords(
      0, [](uint64_t) { return false; },
      [&](const RecordFields& fields, bool intact) {
        ordered = ordered && fields.sequence > last;
        last = fields.sequence;
        if (intact) {
          recovered->records.push_back(KeyOf(fields));
          if (fields.caller_chose_id != 0) {
            recovered->ids.push_back(
                {fields.sequence, HashMessageId(fields.message_id), ContentHashOf(fields)});
          }
        } else {
          damaged_.push_back(fields.sequence);
          ReportDamaged("record", fields.sequence);
        }
        return Reading::kContinue;
      });
  if (!status.ok()) return status;
  if (!ordered) return absl::DataLossError(absl::StrCat(path_, " has rows out of order"));
  return status;
}

// The structure of the database is damaged: puts a new one in its place, with every intact record,
// and keeps the old one.
absl::Status PendingStore::Rebuild(const absl::Status& damage) {
  const std::string new_path = absl::StrCat(path_, ".new");
  const std::string kept_as =
      absl::StrCat(path_, ".damaged-", absl::ToUnixMillis(options_.clock->WallNow()));
  const absl::StatusOr<Salvaged> salvaged = SalvageRecords(table_.get(), committed_, new_path);
  if (!salvaged.ok()) return salvaged.status();
  table_.reset();
  database_->Abandon();
  database_.reset();
  damaged_.clear();
  damaged_rows_ = 0;
  absl::Status status = ReplaceDatabase(path_, new_path, kept_as);
  if (!status.ok()) return status;
  ReportDamage(
      salvaged->damaged_dead_letters,
      absl::StrCat(damage.message(), ": ", path_, " is kept as ", kept_as,
                   ", and rebuilt from the records that can be read", DeadLettersIn(*salvaged)));
  const QueueState known = committed_;
  status = OpenDatabase();
  if (!status.ok()) return status;
  committed_.commit_number = known.commit_number;
  committed_.last_sequence = known.last_sequence;
  committed_.sending_through = known.sending_through;
  return absl::OkStatus();
}

// After an error of a statement that says so: a list of free pages, for instance, is read by
// nothing but what needs a page.
absl::Status PendingStore::RebuildIfDamaged() {
  if (structure_.ok()) return absl::OkStatus();
  const absl::StatusOr<std::string> check = database_->QueryText("PRAGMA quick_check(1)");
  if (!check.ok() && !absl::IsDataLoss(check.status())) return check.status();
  if (!check.ok() || *check != "ok") {
    const int64_t expected_count = committed_.record_count;
    absl::Status status = Rebuild(structure_);
    if (!status.ok()) return status;
    if (committed_.record_count != expected_count) {
      ReportDamage(std::max<int64_t>(0, expected_count - committed_.record_count),
                   absl::StrCat(path_, " holds ", committed_.record_count, " records where ",
                                expected_count, " were committed: some are lost"));
    }
  }
  structure_ = absl::OkStatus();
  return absl::OkStatus();
}

// The database cannot even be opened: keeps it as it is, and goes on with what can be read around
// its first page, or with nothing.
absl::Status PendingStore::StartAnew(const absl::Status& damage,
                                     const absl::optional<HighWaterMark::Position>& known) {
  const std::string new_path = absl::StrCat(path_, ".new");
  const std::string kept_as =
      absl::StrCat(path_, ".damaged-", absl::ToUnixMillis(options_.clock->WallNow()));
  QueueState state;
  // Open brings it down to what there is.
  state.sending_through = std::numeric_limits<int64_t>::max();
  if (known.has_value()) {
    state.commit_number = known->commit_number;
    state.last_sequence = known->last_sequence;
  }
  absl::StatusOr<Salvaged> salvaged = SalvageWithoutFirstPage(path_, state, new_path);
  if (!salvaged.ok()) {
    salvaged = SalvageRecords(nullptr, state, new_path);
    if (!salvaged.ok()) return salvaged.status();
  }
  absl::Status status = ReplaceDatabase(path_, new_path, kept_as);
  if (!status.ok()) return status;
  const bool counted =
      known.has_value() && known->record_count != HighWaterMark::Position::kUnknown;
  const int64_t missing =
      counted ? std::max<int64_t>(0, known->record_count - salvaged->records) : 0;
  ReportDamage(missing + salvaged->damaged_dead_letters,
               absl::StrCat(damage.message(), ": ", path_, " is kept as ", kept_as, "; ",
                            salvaged->records, " queued messages could be read from it, ",
                            counted ? absl::StrCat(missing) : "an unknown number of",
                            " are missing", DeadLettersIn(*salvaged)));
  return OpenDatabase();
}

// Sets damaged rows aside, and proves by a commit that the disk works.
absl::Status PendingStore::Repair() {
  absl::Status status = Checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
  if (!status.ok()) return status;
  if (status = Begin(); !status.ok()) return status;
  for (uint64_t sequence : damaged_) {
    if (status = CopyToDamaged(sequence); !status.ok()) return status;
    const absl::StatusOr<int64_t> deleted = DeleteRange(sequence, sequence);
    if (!deleted.ok()) return deleted.status();
  }
  next_has_appends_ = true;  // Syncs the mark too.
  status = Commit();
  if (status.ok()) damaged_.clear();
  return status;
}

absl::Status PendingStore::Reopen() {
  const QueueState known = committed_;
  if (committed_log_bytes_.has_value()) {
    absl::Status status = TruncateFile(log_path_, *committed_log_bytes_);
    if (!status.ok()) return Fail("open", status);
  }
  const absl::optional<int64_t> log_bytes = committed_log_bytes_;
  absl::Status status = OpenDatabase();
  if (!status.ok()) {
    committed_ = known;
    committed_log_bytes_ = log_bytes;
    return Fail("open", status);
  }
  status = CheckHighWaterMark(
      HighWaterMark::Position{known.commit_number, known.last_sequence, known.record_count});
  if (!status.ok()) {
    committed_ = known;
    return Fail("open", status);
  }
  committed_.sending_through = std::max(committed_.sending_through, known.sending_through);
  if (status = RebuildIfDamaged(); !status.ok()) {
    committed_ = known;
    return Fail("open", status);
  }
  if (status = Repair(); !status.ok()) return status;
  const absl::StatusOr<int64_t> count = database_->QueryInt64("SELECT count(*) FROM pending");
  if (!count.ok()) return Fail("open", count.status());
  if (*count != committed_.record_count) {
    ReportDamage(std::max<int64_t>(0, committed_.record_count - *count),
                 absl::StrCat(path_, " holds ", *count, " records where ", committed_.record_count,
                              " were committed: some are lost"));
    committed_.record_count = *count;
  }
  return status;
}

}  // namespace router
