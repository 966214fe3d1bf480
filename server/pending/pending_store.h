// The files of the pending queue: what is written, when it is synced, and how it is checked.
// FORMAT.md describes them.
#ifndef ROUTER_SERVER_PENDING_PENDING_STORE_H_
#define ROUTER_SERVER_PENDING_PENDING_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "server/base/clock.h"
#include "server/base/operation.h"
#include "server/pending/damage_log.h"
#include "server/pending/folder_lock.h"
#include "server/pending/high_water_mark.h"
#include "server/pending/pending_queue.h"
#include "server/pending/record_table.h"
#include "server/pending/sqlite_database.h"

namespace router {

// One transaction at a time: Begin, changes, Commit. After any error of these the store is no
// longer open, the transaction has not happened, and nothing works until Reopen has succeeded.
//
// For one thread at a time. Borrows `clock`, which must outlive it.
class PendingStore {
 public:
  struct Options {
    std::string directory;
    int64_t min_free_disk_bytes = 0;
    int64_t max_file_bytes = 0;  // 0: no limit.
    Clock* clock = nullptr;
    std::function<void()> before_commit;
    std::function<void(absl::Duration)> on_commit;  // How long the syncs took.
    std::function<void(absl::string_view op, const std::string& error)> on_error;
  };

  explicit PendingStore(const Options& options);
  ~PendingStore();

  // Locks the folder, reads and verifies every record. Damage is reported through `on_error` and in
  // the damage log, set aside and no error here.
  absl::StatusOr<RecoveredQueue> Open();

  // After an error: cuts off what the failed commit may have left, opens the files anew, checks
  // them against what is known and proves with a commit that the disk works.
  absl::Status Reopen();

  bool is_open() const { return database_ != nullptr; }

  // The statements. Only while open.
  RecordTable* table() const { return table_.get(); }

  // Damage that nobody has acknowledged. Thread-safe.
  QueueDamage GetDamage() const { return damage_log_.Get(); }

  // Looks whether an operator has acknowledged it.
  void RefreshDamage() { damage_log_.Refresh(); }

  // As of the last commit.
  const QueueState& committed() const { return committed_; }

  // Whether every commit is synced. What is not may be gone after an error of a transaction: the
  // store goes back to the last one that is.
  bool all_synced() const { return synced_.commit_number == committed_.commit_number; }
  // Whether it has done so since the last call.
  bool TakeWentBack() { return std::exchange(went_back_, false); }

  // Syncs what is not. Only while open.
  absl::Status SyncRemovals() { return Checkpoint(SQLITE_CHECKPOINT_PASSIVE); }

  // RESOURCE_EXHAUSTED where `bytes` more would leave too little of the disk or exceed the file.
  absl::Status CheckRoom(int64_t bytes);

  // Whether the commit waits for the disk. kLater: it survives the death of this process, and a
  // power cut once a later commit or a checkpoint has been synced.
  enum class Sync { kNow, kLater };
  absl::Status Begin(Sync sync = Sync::kNow);
  // The sequence it will have.
  absl::StatusOr<uint64_t> Insert(const Operation& operation);
  // Puts a dead letter back: what is in the queue now. A time to live that has passed is taken off.
  // After an error the caller calls Fail, once it is done reading.
  absl::StatusOr<RemovedRecord> InsertAgain(RecordFields fields);
  // From the commit on it is noted that records up to `through` may have been sent, no others.
  void SetSendingThrough(uint64_t through) { next_.sending_through = through; }
  // How many there were.
  absl::StatusOr<int64_t> DeleteRange(uint64_t first, uint64_t last);
  absl::Status CopyToDeadLetters(uint64_t sequence, const DeadLetterReason& reason);
  // `checksum` is the one that it has then.
  absl::Status SetDeadLetterSent(uint64_t sequence, int64_t first_sent_at_ms, uint64_t checksum);
  absl::Status DeleteDeadLetter(uint64_t sequence);
  // Reports the record as damaged and keeps a copy of it; the caller deletes it.
  absl::Status SetAside(uint64_t sequence);
  absl::Status SetAsideDeadLetter(uint64_t sequence);
  // OK: synced, as far as Begin was told to.
  absl::Status Commit();

  // Moves committed changes from the log to the database when the log has grown enough.
  absl::Status CheckpointIfDue();

  // Gives part of the unused file back to the disk. False where there is too little to bother.
  absl::StatusOr<bool> ShrinkSome();

  // Reports the error and gives the connection up.
  absl::Status Fail(absl::string_view op, const absl::Status& status);

  // Reports an error of reading, which ends nothing. Returns what the reader is told.
  absl::Status ReadError(const absl::Status& status);

  // Ends everything in order: the log is moved into the database, the folder is unlocked.
  void Close();

 private:
  absl::Status CreateFiles();
  absl::Status Checkpoint(int mode);
  absl::Status CopyToDamaged(uint64_t sequence);
  void ReportDamaged(absl::string_view what, uint64_t sequence);
  absl::Status OpenDatabase();
  bool WasOfKnownFormat() const;
  absl::Status UpgradeFormat(SqliteDatabase* database, int64_t version);
  absl::Status CheckHighWaterMark(const absl::optional<HighWaterMark::Position>& known);
  absl::Status ReportLostCommits(const HighWaterMark::Position& known);
  absl::Status LoadRecords(RecoveredQueue* recovered);
  absl::Status Rebuild(const absl::Status& damage);
  absl::Status RebuildIfDamaged();
  absl::Status StartAnew(const absl::Status& damage,
                         const absl::optional<HighWaterMark::Position>& known);
  absl::Status Repair();
  absl::Status SetAsideLog(std::string* kept_as);
  absl::Status SetSync(Sync sync);
  void NoteSynced();
  void WriteMark();
  void ReportDamage(int64_t records, const std::string& what);
  void NoteDamage(int64_t records, const std::string& what);
  void ReportError(absl::string_view op, const std::string& error);
  absl::Status WithPath(const absl::Status& status) const;

  const Options options_;
  const std::string path_;
  const std::string log_path_;
  absl::optional<FolderLock> lock_;
  HighWaterMark mark_;
  DamageLog damage_log_;

  std::unique_ptr<SqliteDatabase> database_;  // Null while not open.
  std::unique_ptr<RecordTable> table_;        // Statements of `database_`.
  QueueState committed_;
  QueueState next_;  // Inside a transaction: what it will leave.
  bool next_has_appends_ = false;
  Sync sync_ = Sync::kNow;  // What the connection is set to.
  // As of the last commit that is synced, which is what the mark says, and how long the log was
  // then.
  QueueState synced_;
  absl::optional<int64_t> synced_log_bytes_;
  bool went_back_ = false;

  absl::Status structure_;         // DATA_LOSS once a statement has found the database damaged.
  std::vector<uint64_t> damaged_;  // Found by Open and not yet set aside.
  int64_t damaged_rows_ = 0;       // Reported, and not yet in the damage log.
  absl::optional<uint64_t> lost_behind_commit_;  // A loss that has been reported.

  // The size of the log as of the last commit; empty while it is not known. What a failed commit
  // has left is behind it.
  absl::optional<int64_t> committed_log_bytes_;
};

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_PENDING_STORE_H_
