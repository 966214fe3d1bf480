#include "server/pending/record_table.h"

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace router {
namespace {

constexpr char kRecordColumns[] =
    "accepted_at_ms INTEGER NOT NULL, expires_at_ms INTEGER, key_hash INTEGER NOT NULL, "
    "size_bytes INTEGER NOT NULL, guarantee INTEGER NOT NULL, caller_chose_id INTEGER NOT NULL, "
    "message_id TEXT NOT NULL, subject TEXT NOT NULL, ordering_key TEXT NOT NULL, "
    "headers BLOB NOT NULL, payload BLOB NOT NULL, checksum INTEGER NOT NULL, "
    "first_sent_at_ms INTEGER, content_hash INTEGER";

// The order in which they were added differs between databases: every statement names them.
constexpr char kColumnNames[] =
    "sequence, accepted_at_ms, expires_at_ms, key_hash, size_bytes, guarantee, caller_chose_id, "
    "message_id, subject, ordering_key, headers, payload, checksum, first_sent_at_ms, content_hash";

constexpr char kDeadLetterColumnNames[] = ", reason, error, attempts, dead_at_ms, first_error";

constexpr int kChecksumColumn = 12;
constexpr int kFirstReasonColumn = 15;

std::string DeadLetterColumns() { return absl::StrCat(kColumnNames, kDeadLetterColumnNames); }

std::string CreateTables() {
  return absl::StrCat(
      // Only before the first table: set again, it would write to the file.
      "PRAGMA auto_vacuum = INCREMENTAL;", "BEGIN;",
      "CREATE TABLE pending(sequence INTEGER PRIMARY KEY, ", kRecordColumns, ");",
      "CREATE TABLE dead_letters(sequence INTEGER PRIMARY KEY, ", kRecordColumns,
      ", reason TEXT NOT NULL, error TEXT NOT NULL, attempts INTEGER NOT NULL,"
      " dead_at_ms INTEGER NOT NULL, first_error TEXT NOT NULL DEFAULT '');",
      // Takes whatever is left of a row.
      "CREATE TABLE damaged(sequence INTEGER, ",
      absl::StrReplaceAll(kRecordColumns, {{" NOT NULL", ""}}),
      ", error TEXT NOT NULL, damaged_at_ms INTEGER NOT NULL);",
      "CREATE TABLE queue_state(id INTEGER PRIMARY KEY CHECK (id = 1),"
      " commit_number INTEGER NOT NULL, last_sequence INTEGER NOT NULL,"
      " record_count INTEGER NOT NULL, sending_through INTEGER NOT NULL);",
      "INSERT INTO queue_state VALUES (1, 0, 0, 0, 0);",
      "PRAGMA user_version = ", RecordTable::kFormatVersion, ";", "COMMIT;");
}

// Routers of format 1 did not note what they sent: everything may have been.
std::string UpgradeFromFormat1() {
  std::string sql;
  for (absl::string_view table : {"pending", "dead_letters", "damaged"}) {
    absl::StrAppend(&sql, "ALTER TABLE ", table, " ADD COLUMN first_sent_at_ms INTEGER;",
                    "ALTER TABLE ", table, " ADD COLUMN content_hash INTEGER;");
  }
  return absl::StrCat(
      sql, "ALTER TABLE queue_state ADD COLUMN sending_through INTEGER NOT NULL DEFAULT 0;",
      "UPDATE queue_state SET sending_through = last_sequence;");
}

std::string UpgradeFromFormat2() {
  return "ALTER TABLE dead_letters ADD COLUMN first_error TEXT NOT NULL DEFAULT '';";
}

template <typename T>
void BindOptional(int parameter, const absl::optional<T>& value, SqliteStatement* statement) {
  if (value.has_value()) {
    statement->BindInt64(parameter, static_cast<int64_t>(*value));
  } else {
    statement->BindNull(parameter);
  }
}

// The parameters 1 to 15.
void BindRecord(const RecordFields& fields, SqliteStatement* statement) {
  statement->BindInt64(1, static_cast<int64_t>(fields.sequence));
  statement->BindInt64(2, fields.accepted_at_ms);
  BindOptional(3, fields.expires_at_ms, statement);
  statement->BindInt64(4, static_cast<int64_t>(fields.key_hash));
  statement->BindInt64(5, fields.size_bytes);
  statement->BindInt64(6, fields.guarantee);
  statement->BindInt64(7, fields.caller_chose_id);
  statement->BindText(8, fields.message_id);
  statement->BindText(9, fields.subject);
  statement->BindText(10, fields.ordering_key);
  statement->BindBlob(11, fields.headers);
  statement->BindBlob(12, fields.payload);
  statement->BindInt64(13, static_cast<int64_t>(RecordChecksum(fields)));
  BindOptional(14, fields.first_sent_at_ms, statement);
  BindOptional(15, fields.content_hash, statement);
}

RemovedRecord KeyOf(const SqliteStatement& row) {
  RemovedRecord key;
  key.sequence = static_cast<uint64_t>(row.Int64(0));
  key.key_hash = ProvedKeyHash(static_cast<uint64_t>(row.Int64(1)), row.Bytes(4));
  key.size_bytes = row.Int64(2);
  if (!row.IsNull(3)) key.expire_time = absl::FromUnixMillis(row.Int64(3));
  return key;
}

RecordFields FieldsOfRow(const SqliteStatement& row) {
  RecordFields fields;
  fields.sequence = static_cast<uint64_t>(row.Int64(0));
  fields.accepted_at_ms = row.Int64(1);
  if (!row.IsNull(2)) fields.expires_at_ms = row.Int64(2);
  fields.key_hash = static_cast<uint64_t>(row.Int64(3));
  fields.size_bytes = row.Int64(4);
  fields.guarantee = row.Int64(5);
  fields.caller_chose_id = row.Int64(6);
  fields.message_id = row.Bytes(7);
  fields.subject = row.Bytes(8);
  fields.ordering_key = row.Bytes(9);
  fields.headers = row.Bytes(10);
  fields.payload = row.Bytes(11);
  if (!row.IsNull(13)) fields.first_sent_at_ms = row.Int64(13);
  if (!row.IsNull(14)) fields.content_hash = static_cast<uint64_t>(row.Int64(14));
  return fields;
}

}  // namespace

absl::StatusOr<int64_t> RecordTable::EnsureFormat(SqliteDatabase* database) {
  const absl::StatusOr<int64_t> version = database->QueryInt64("PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*version > kFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("it has format ", *version, " of a newer router, and this one knows ",
                     kFormatVersion, ": start that router, or use another folder"));
  }
  if (*version > 0) return version;
  const absl::StatusOr<int64_t> tables = database->QueryInt64("SELECT count(*) FROM sqlite_master");
  if (!tables.ok()) return tables.status();
  if (*version != 0 || *tables != 0) {
    return absl::FailedPreconditionError("it is a database of something else: use another folder");
  }
  if (absl::Status status = database->Execute(CreateTables()); !status.ok()) return status;
  return kFormatVersion;
}

absl::Status RecordTable::Upgrade(SqliteDatabase* database, int64_t version) {
  std::string sql = "BEGIN;";
  if (version < 2) absl::StrAppend(&sql, UpgradeFromFormat1());
  if (version < 3) absl::StrAppend(&sql, UpgradeFromFormat2());
  return database->Execute(
      absl::StrCat(sql, "PRAGMA user_version = ", kFormatVersion, ";", "COMMIT;"));
}

absl::Status RecordTable::OrderColumnsAsUpgraded(SqliteDatabase* database) {
  return database->Execute(absl::StrCat(
      "ALTER TABLE dead_letters DROP COLUMN first_sent_at_ms;",
      "ALTER TABLE dead_letters DROP COLUMN content_hash;",
      "ALTER TABLE dead_letters DROP COLUMN first_error;",
      "ALTER TABLE dead_letters ADD COLUMN first_sent_at_ms INTEGER;",
      "ALTER TABLE dead_letters ADD COLUMN content_hash INTEGER;", UpgradeFromFormat2()));
}

absl::StatusOr<std::unique_ptr<RecordTable>> RecordTable::Prepare(SqliteDatabase* database) {
  std::unique_ptr<RecordTable> table(new RecordTable(database));
  struct Entry {
    SqliteStatement* statement;
    std::string sql;
  };
  const Entry entries[] = {
      {&table->read_state_,
       "SELECT commit_number, last_sequence, record_count, sending_through FROM queue_state"
       " WHERE id = 1"},
      {&table->write_state_,
       "UPDATE queue_state SET commit_number = ?1, last_sequence = ?2, record_count = ?3,"
       " sending_through = ?4 WHERE id = 1"},
      {&table->count_dead_letters_,
       "SELECT reason, count(*), sum(size_bytes) FROM dead_letters GROUP BY reason"},
      {&table->insert_,
       absl::StrCat("INSERT INTO pending(", kColumnNames,
                    ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)")},
      {&table->insert_dead_letter_,
       absl::StrCat("INSERT INTO dead_letters(", DeadLetterColumns(),
                    ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,"
                    "?16,?17,?18,?19,?20)")},
      {&table->delete_range_, "DELETE FROM pending WHERE sequence BETWEEN ?1 AND ?2"},
      {&table->read_keys_,
       "SELECT sequence, key_hash, size_bytes, expires_at_ms, ordering_key FROM pending WHERE "
       "sequence > ?1"
       " ORDER BY sequence"},
      {&table->find_key_,
       "SELECT sequence, key_hash, size_bytes, expires_at_ms, ordering_key FROM pending WHERE "
       "sequence = ?1"},
      {&table->read_records_, absl::StrCat("SELECT ", kColumnNames,
                                           " FROM pending WHERE sequence > ?1 ORDER BY sequence")},
      {&table->oldest_, "SELECT accepted_at_ms FROM pending ORDER BY sequence LIMIT 1"},
      {&table->copy_to_dead_letters_,
       absl::StrCat("INSERT INTO dead_letters(", DeadLetterColumns(), ") SELECT ", kColumnNames,
                    ", ?2, ?3, ?4, ?5, ?6 FROM pending WHERE sequence = ?1")},
      {&table->copy_to_damaged_,
       absl::StrCat("INSERT INTO damaged(", kColumnNames, ", error, damaged_at_ms) SELECT ",
                    kColumnNames, ", ?2, ?3 FROM pending WHERE sequence = ?1")},
      {&table->read_dead_letters_,
       absl::StrCat("SELECT ", DeadLetterColumns(),
                    " FROM dead_letters WHERE sequence > ?1 ORDER BY sequence")},
      {&table->set_dead_letter_sent_,
       "UPDATE dead_letters SET first_sent_at_ms = ?2, checksum = ?3 WHERE sequence = ?1"},
      {&table->delete_dead_letter_, "DELETE FROM dead_letters WHERE sequence = ?1"},
      {&table->copy_dead_letter_to_damaged_,
       absl::StrCat("INSERT INTO damaged(", kColumnNames, ", error, damaged_at_ms) SELECT ",
                    kColumnNames, ", ?2, ?3 FROM dead_letters WHERE sequence = ?1")},
  };
  for (const Entry& entry : entries) {
    absl::StatusOr<SqliteStatement> statement = database->Prepare(entry.sql);
    if (!statement.ok()) return statement.status();
    *entry.statement = *std::move(statement);
  }
  return table;
}

absl::StatusOr<QueueState> RecordTable::ReadState() {
  absl::Cleanup reset = [this] { read_state_.Reset(); };
  absl::StatusOr<bool> row = read_state_.Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::DataLossError("the table queue_state is empty");
  QueueState state;
  state.commit_number = static_cast<uint64_t>(read_state_.Int64(0));
  state.last_sequence = static_cast<uint64_t>(read_state_.Int64(1));
  state.record_count = read_state_.Int64(2);
  state.sending_through = static_cast<uint64_t>(read_state_.Int64(3));
  return state;
}

absl::Status RecordTable::WriteState(const QueueState& state) {
  write_state_.BindInt64(1, static_cast<int64_t>(state.commit_number));
  write_state_.BindInt64(2, static_cast<int64_t>(state.last_sequence));
  write_state_.BindInt64(3, state.record_count);
  write_state_.BindInt64(4, static_cast<int64_t>(state.sending_through));
  return write_state_.Run();
}

absl::Status RecordTable::CountDeadLetters(RecoveredQueue* recovered) {
  absl::Cleanup reset = [this] { count_dead_letters_.Reset(); };
  while (true) {
    absl::StatusOr<bool> row = count_dead_letters_.Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    const int64_t count = count_dead_letters_.Int64(1);
    recovered->dead_letters += count;
    recovered->dead_letter_bytes += count_dead_letters_.Int64(2);
    recovered->dead_letters_by_label[DeadLetterLabelIndex(count_dead_letters_.Bytes(0))] += count;
  }
}

absl::Status RecordTable::Insert(uint64_t sequence, const Operation& operation) {
  EncodeHeaders(operation.message.headers, &encoded_headers_);
  return Insert(FieldsOf(operation, sequence, encoded_headers_));
}

absl::Status RecordTable::Insert(const RecordFields& fields) {
  BindRecord(fields, &insert_);
  return insert_.Run();
}

absl::Status RecordTable::InsertDeadLetter(const RecordFields& fields,
                                           const DeadLetterFields& why) {
  BindRecord(fields, &insert_dead_letter_);
  insert_dead_letter_.BindText(16, why.reason);
  insert_dead_letter_.BindText(17, why.error);
  insert_dead_letter_.BindInt64(18, why.attempts);
  insert_dead_letter_.BindInt64(19, why.dead_at_ms);
  insert_dead_letter_.BindText(20, why.first_error);
  return insert_dead_letter_.Run();
}

absl::StatusOr<int64_t> RecordTable::DeleteRange(uint64_t first, uint64_t last) {
  delete_range_.BindInt64(1, static_cast<int64_t>(first));
  delete_range_.BindInt64(2, static_cast<int64_t>(last));
  if (absl::Status status = delete_range_.Run(); !status.ok()) return status;
  return database_->changes();
}

absl::Status RecordTable::ReadKeys(uint64_t after,
                                   absl::FunctionRef<Reading(const RemovedRecord&)> reader) {
  absl::Cleanup reset = [this] { read_keys_.Reset(); };
  read_keys_.BindInt64(1, static_cast<int64_t>(after));
  while (true) {
    absl::StatusOr<bool> row = read_keys_.Step();
    if (!row.ok()) return row.status();
    if (!*row || reader(KeyOf(read_keys_)) == Reading::kStop) return absl::OkStatus();
  }
}

absl::StatusOr<absl::optional<RemovedRecord>> RecordTable::FindKey(uint64_t sequence) {
  absl::Cleanup reset = [this] { find_key_.Reset(); };
  find_key_.BindInt64(1, static_cast<int64_t>(sequence));
  absl::StatusOr<bool> row = find_key_.Step();
  if (!row.ok()) return row.status();
  absl::optional<RemovedRecord> key;
  if (*row) key = KeyOf(find_key_);
  return key;
}

absl::Status RecordTable::ReadRecords(
    uint64_t after, absl::FunctionRef<bool(uint64_t sequence)> skip,
    absl::FunctionRef<Reading(const RecordFields&, bool intact)> reader) {
  absl::Cleanup reset = [this] { read_records_.Reset(); };
  read_records_.BindInt64(1, static_cast<int64_t>(after));
  while (true) {
    absl::StatusOr<bool> row = read_records_.Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    if (skip(static_cast<uint64_t>(read_records_.Int64(0)))) continue;
    const RecordFields fields = FieldsOfRow(read_records_);
    const bool intact =
        RecordChecksum(fields) == static_cast<uint64_t>(read_records_.Int64(kChecksumColumn));
    if (reader(fields, intact) == Reading::kStop) return absl::OkStatus();
  }
}

absl::StatusOr<int64_t> RecordTable::SumOfSizes() {
  return database_->QueryInt64("SELECT sum(size_bytes) FROM pending");
}

absl::StatusOr<absl::optional<absl::Time>> RecordTable::OldestAcceptTime() {
  absl::Cleanup reset = [this] { oldest_.Reset(); };
  absl::StatusOr<bool> row = oldest_.Step();
  if (!row.ok()) return row.status();
  absl::optional<absl::Time> time;
  if (*row) time = absl::FromUnixMillis(oldest_.Int64(0));
  return time;
}

absl::Status RecordTable::CopyToDeadLetters(uint64_t sequence, const DeadLetterReason& reason,
                                            absl::Time now) {
  copy_to_dead_letters_.BindInt64(1, static_cast<int64_t>(sequence));
  copy_to_dead_letters_.BindText(2, reason.reason);
  copy_to_dead_letters_.BindText(3, reason.error);
  copy_to_dead_letters_.BindInt64(4, reason.attempts);
  copy_to_dead_letters_.BindInt64(5, absl::ToUnixMillis(now));
  copy_to_dead_letters_.BindText(6, reason.first_error);
  return copy_to_dead_letters_.Run();
}

absl::Status RecordTable::CopyToDamaged(uint64_t sequence, absl::string_view error,
                                        absl::Time now) {
  copy_to_damaged_.BindInt64(1, static_cast<int64_t>(sequence));
  copy_to_damaged_.BindText(2, error);
  copy_to_damaged_.BindInt64(3, absl::ToUnixMillis(now));
  return copy_to_damaged_.Run();
}

absl::Status RecordTable::ReadDeadLetters(
    uint64_t after,
    absl::FunctionRef<Reading(const RecordFields&, const DeadLetterFields&, bool intact)> reader) {
  absl::Cleanup reset = [this] { read_dead_letters_.Reset(); };
  read_dead_letters_.BindInt64(1, static_cast<int64_t>(after));
  while (true) {
    absl::StatusOr<bool> row = read_dead_letters_.Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    const RecordFields fields = FieldsOfRow(read_dead_letters_);
    const bool intact =
        RecordChecksum(fields) == static_cast<uint64_t>(read_dead_letters_.Int64(kChecksumColumn));
    DeadLetterFields why;
    why.reason = read_dead_letters_.Bytes(kFirstReasonColumn);
    why.error = read_dead_letters_.Bytes(kFirstReasonColumn + 1);
    why.attempts = read_dead_letters_.Int64(kFirstReasonColumn + 2);
    why.dead_at_ms = read_dead_letters_.Int64(kFirstReasonColumn + 3);
    why.first_error = read_dead_letters_.Bytes(kFirstReasonColumn + 4);
    if (reader(fields, why, intact) == Reading::kStop) return absl::OkStatus();
  }
}

absl::Status RecordTable::SetDeadLetterSent(uint64_t sequence, int64_t first_sent_at_ms,
                                            uint64_t checksum) {
  set_dead_letter_sent_.BindInt64(1, static_cast<int64_t>(sequence));
  set_dead_letter_sent_.BindInt64(2, first_sent_at_ms);
  set_dead_letter_sent_.BindInt64(3, static_cast<int64_t>(checksum));
  return set_dead_letter_sent_.Run();
}

absl::Status RecordTable::DeleteDeadLetter(uint64_t sequence) {
  delete_dead_letter_.BindInt64(1, static_cast<int64_t>(sequence));
  return delete_dead_letter_.Run();
}

absl::Status RecordTable::CopyDeadLetterToDamaged(uint64_t sequence, absl::string_view error,
                                                  absl::Time now) {
  copy_dead_letter_to_damaged_.BindInt64(1, static_cast<int64_t>(sequence));
  copy_dead_letter_to_damaged_.BindText(2, error);
  copy_dead_letter_to_damaged_.BindInt64(3, absl::ToUnixMillis(now));
  return copy_dead_letter_to_damaged_.Run();
}

}  // namespace router
