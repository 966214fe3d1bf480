#include "server/pending/sqlite_database.h"

#include "absl/strings/str_cat.h"

namespace router {
namespace {

absl::StatusCode CodeOf(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_FULL:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:  // Our statements are right: the schema that they meet is damaged.
      return absl::StatusCode::kDataLoss;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::StatusCode::kFailedPrecondition;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

absl::Status MakeError(sqlite3* database, absl::string_view what, absl::string_view path) {
  const int code = sqlite3_extended_errcode(database);
  return absl::Status(CodeOf(code), absl::StrCat(what, " ", path, ": ", sqlite3_errmsg(database),
                                                 " (SQLite error ", code, ")"));
}

// SQLite takes a null pointer for NULL, and an empty view may have one.
const char* DataOf(absl::string_view value) { return value.data() == nullptr ? "" : value.data(); }

}  // namespace

void SqliteStatement::BindInt64(int parameter, int64_t value) {
  sqlite3_bind_int64(statement_.get(), parameter, value);
}

void SqliteStatement::BindNull(int parameter) { sqlite3_bind_null(statement_.get(), parameter); }

void SqliteStatement::BindText(int parameter, absl::string_view value) {
  sqlite3_bind_text64(statement_.get(), parameter, DataOf(value), value.size(), SQLITE_STATIC,
                      SQLITE_UTF8);
}

void SqliteStatement::BindBlob(int parameter, absl::string_view value) {
  sqlite3_bind_blob64(statement_.get(), parameter, DataOf(value), value.size(), SQLITE_STATIC);
}

absl::StatusOr<bool> SqliteStatement::Step() {
  const int result = sqlite3_step(statement_.get());
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  sqlite3* const database = sqlite3_db_handle(statement_.get());
  return MakeError(database, "cannot use", DataOf(sqlite3_db_filename(database, "main")));
}

void SqliteStatement::Reset() { sqlite3_reset(statement_.get()); }

absl::Status SqliteStatement::Run() {
  absl::StatusOr<bool> row = Step();
  Reset();
  return row.status();
}

bool SqliteStatement::IsNull(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

int64_t SqliteStatement::Int64(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

absl::string_view SqliteStatement::Bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return absl::string_view(static_cast<const char*>(data), data == nullptr ? 0 : size);
}

absl::StatusOr<std::unique_ptr<SqliteDatabase>> SqliteDatabase::Open(const std::string& path) {
  sqlite3* handle = nullptr;
  const int result = sqlite3_open_v2(
      path.c_str(), &handle,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      nullptr);
  if (handle == nullptr) return absl::ResourceExhaustedError("no memory for a database");
  std::unique_ptr<SqliteDatabase> database(new SqliteDatabase(path, handle));
  if (result != SQLITE_OK) return database->ErrorStatus("cannot open");
  // Also ends SQLite's own checkpoints, which would happen inside a commit.
  sqlite3_wal_hook(handle, &SqliteDatabase::OnCommit, database.get());
  return database;
}

SqliteDatabase::~SqliteDatabase() { sqlite3_close_v2(database_); }

void SqliteDatabase::Abandon() {
  sqlite3_db_config(database_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

int SqliteDatabase::OnCommit(void* self, sqlite3*, const char*, int wal_frames) {
  static_cast<SqliteDatabase*>(self)->wal_frames_ = wal_frames;
  return SQLITE_OK;
}

absl::Status SqliteDatabase::Execute(const std::string& sql) {
  if (sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) {
    return absl::OkStatus();
  }
  return ErrorStatus("cannot use");
}

absl::StatusOr<SqliteStatement> SqliteDatabase::Prepare(absl::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int result = sqlite3_prepare_v3(database_, sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (result != SQLITE_OK) return ErrorStatus("cannot use");
  return SqliteStatement(statement);
}

absl::StatusOr<int64_t> SqliteDatabase::QueryInt64(const std::string& sql) {
  absl::StatusOr<SqliteStatement> statement = Prepare(sql);
  if (!statement.ok()) return statement.status();
  absl::StatusOr<bool> row = statement->Step();
  if (!row.ok()) return row.status();
  return *row ? statement->Int64(0) : 0;
}

absl::StatusOr<std::string> SqliteDatabase::QueryText(const std::string& sql) {
  absl::StatusOr<SqliteStatement> statement = Prepare(sql);
  if (!statement.ok()) return statement.status();
  std::string text;
  absl::StatusOr<bool> row = statement->Step();
  if (row.ok() && *row) text = std::string(statement->Bytes(0));
  // To its end: a statement that writes, as PRAGMA journal_mode does, says only there that it
  // failed.
  while (row.ok() && *row) row = statement->Step();
  if (!row.ok()) return row.status();
  return text;
}

absl::Status SqliteDatabase::Checkpoint(int mode) {
  int frames = 0;
  int copied = 0;
  const int result = sqlite3_wal_checkpoint_v2(database_, nullptr, mode, &frames, &copied);
  if (result != SQLITE_OK) return ErrorStatus("cannot checkpoint");
  if (copied < frames) {
    return absl::UnavailableError(
        absl::StrCat("checkpoint of ", path_, " copied ", copied, " of ", frames, " frames"));
  }
  wal_frames_ = 0;
  return absl::OkStatus();
}

absl::Status SqliteDatabase::ErrorStatus(absl::string_view what) const {
  return MakeError(database_, what, path_);
}

}  // namespace router
