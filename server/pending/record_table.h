// The tables of the pending queue and every statement on them.
#ifndef ROUTER_SERVER_PENDING_RECORD_TABLE_H_
#define ROUTER_SERVER_PENDING_RECORD_TABLE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "server/base/operation.h"
#include "server/pending/pending_queue.h"
#include "server/pending/record_codec.h"
#include "server/pending/sqlite_database.h"

namespace router {

// The one row that says where the queue stands. It changes in the commit of what it speaks of.
struct QueueState {
  uint64_t commit_number = 0;  // Counts commits.
  uint64_t last_sequence =
      0;                     // The last one given; never given again, also when the queue is empty.
  int64_t record_count = 0;  // Rows of `pending`.
  uint64_t sending_through = 0;  // Rows up to it may have been sent to the broker.
};

// What a dead letter has beside the columns of a record. A view of bytes that somebody else owns.
struct DeadLetterFields {
  absl::string_view reason;
  absl::string_view error;
  absl::string_view first_error;
  int64_t attempts = 0;
  int64_t dead_at_ms = 0;
};

// What a reader of rows wants next.
enum class Reading { kContinue, kStop };

// Prepared statements on one open database. Transactions are the caller's. For one thread at a
// time.
class RecordTable {
 public:
  static constexpr int kFormatVersion = 3;
  static constexpr int64_t kPageBytes = 4096;

  // Creates the tables of a new database. Returns the version of the format; FAILED_PRECONDITION
  // where it is a newer one, or the database is none of ours.
  static absl::StatusOr<int64_t> EnsureFormat(SqliteDatabase* database);
  // Brings a database of an older version up to this one.
  static absl::Status Upgrade(SqliteDatabase* database, int64_t version);

  // Gives the empty `dead_letters` of a new database the order of columns that it has in one that
  // was upgraded from format 1.
  static absl::Status OrderColumnsAsUpgraded(SqliteDatabase* database);

  static absl::StatusOr<std::unique_ptr<RecordTable>> Prepare(SqliteDatabase* database);

  absl::StatusOr<QueueState> ReadState();
  absl::Status WriteState(const QueueState& state);
  // Sets what `recovered` says of dead letters.
  absl::Status CountDeadLetters(RecoveredQueue* recovered);

  absl::Status Insert(uint64_t sequence, const Operation& operation);
  absl::Status Insert(const RecordFields& fields);
  absl::Status InsertDeadLetter(const RecordFields& fields, const DeadLetterFields& why);

  // Deletes the rows from `first` to `last`; returns how many there were.
  absl::StatusOr<int64_t> DeleteRange(uint64_t first, uint64_t last);

  // Rows behind `after`, in order: key and size only.
  absl::Status ReadKeys(uint64_t after, absl::FunctionRef<Reading(const RemovedRecord&)> reader);
  absl::StatusOr<absl::optional<RemovedRecord>> FindKey(uint64_t sequence);

  // Rows behind `after`, in order, with every field. `skip` is asked before a row is decoded;
  // `intact` says whether its checksum matches.
  absl::Status ReadRecords(uint64_t after, absl::FunctionRef<bool(uint64_t sequence)> skip,
                           absl::FunctionRef<Reading(const RecordFields&, bool intact)> reader);

  // Of all rows of `pending`, read without their checksums.
  absl::StatusOr<int64_t> SumOfSizes();

  // When the oldest row was accepted; empty without rows.
  absl::StatusOr<absl::optional<absl::Time>> OldestAcceptTime();

  // Copy a row where it is kept; the caller deletes it from `pending`.
  absl::Status CopyToDeadLetters(uint64_t sequence, const DeadLetterReason& reason, absl::Time now);
  absl::Status CopyToDamaged(uint64_t sequence, absl::string_view error, absl::Time now);

  // Dead letters behind `after`, in order, as ReadRecords does.
  absl::Status ReadDeadLetters(
      uint64_t after,
      absl::FunctionRef<Reading(const RecordFields&, const DeadLetterFields&, bool intact)> reader);
  absl::Status SetDeadLetterSent(uint64_t sequence, int64_t first_sent_at_ms, uint64_t checksum);
  absl::Status DeleteDeadLetter(uint64_t sequence);
  absl::Status CopyDeadLetterToDamaged(uint64_t sequence, absl::string_view error, absl::Time now);

 private:
  explicit RecordTable(SqliteDatabase* database) : database_(database) {}

  SqliteDatabase* const database_;
  std::string encoded_headers_;
  SqliteStatement read_state_;
  SqliteStatement write_state_;
  SqliteStatement count_dead_letters_;
  SqliteStatement insert_;
  SqliteStatement insert_dead_letter_;
  SqliteStatement delete_range_;
  SqliteStatement read_keys_;
  SqliteStatement find_key_;
  SqliteStatement read_records_;
  SqliteStatement oldest_;
  SqliteStatement copy_to_dead_letters_;
  SqliteStatement copy_to_damaged_;
  SqliteStatement read_dead_letters_;
  SqliteStatement set_dead_letter_sent_;
  SqliteStatement delete_dead_letter_;
  SqliteStatement copy_dead_letter_to_damaged_;
};

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_RECORD_TABLE_H_
