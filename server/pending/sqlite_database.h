// SQLite's C interface with ownership and absl::Status. Nothing here knows what a queue is.
#ifndef ROUTER_SERVER_PENDING_SQLITE_DATABASE_H_
#define ROUTER_SERVER_PENDING_SQLITE_DATABASE_H_

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace router {

// A prepared statement. Parameters and columns as SQLite counts them: from 1 and from 0. Text and
// blobs are bound by reference: they must live until Run or Reset. Must not outlive its database.
class SqliteStatement {
 public:
  SqliteStatement() = default;
  explicit SqliteStatement(sqlite3_stmt* statement) : statement_(statement) {}

  void BindInt64(int parameter, int64_t value);
  void BindNull(int parameter);
  void BindText(int parameter, absl::string_view value);
  void BindBlob(int parameter, absl::string_view value);

  // Steps to the next row; false at the end. Call Reset when done with the rows.
  absl::StatusOr<bool> Step();
  void Reset();

  // For statements without rows of interest: steps once and resets.
  absl::Status Run();

  bool IsNull(int column) const;
  int64_t Int64(int column) const;
  // Text or blob, as bytes. Valid until the next Step or Reset.
  absl::string_view Bytes(int column) const;

 private:
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
};

// One connection. For one thread at a time.
//
// Errors: RESOURCE_EXHAUSTED (full), DATA_LOSS (damaged, or no database), FAILED_PRECONDITION (may
// not be opened, read only, locked by another program), UNAVAILABLE (everything else).
class SqliteDatabase {
 public:
  static absl::StatusOr<std::unique_ptr<SqliteDatabase>> Open(const std::string& path);

  // Closes like a process that ends normally, with a last checkpoint, unless Abandon was called.
  ~SqliteDatabase();
  SqliteDatabase(const SqliteDatabase&) = delete;
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;

  absl::Status Execute(const std::string& sql);
  absl::StatusOr<SqliteStatement> Prepare(absl::string_view sql);

  // The first column of the first row.
  absl::StatusOr<int64_t> QueryInt64(const std::string& sql);
  absl::StatusOr<std::string> QueryText(const std::string& sql);

  // Copies the write-ahead log into the database. OK only if all of it was copied and synced.
  absl::Status Checkpoint(int mode);

  // Frames in the write-ahead log as of the last commit; 0 once all of it is checkpointed.
  int64_t wal_frames() const { return wal_frames_; }

  bool is_read_only() const { return sqlite3_db_readonly(database_, "main") != 0; }

  // Rows that the last statement changed.
  int64_t changes() const { return sqlite3_changes64(database_); }

  // Close without touching the files again.
  void Abandon();

 private:
  SqliteDatabase(const std::string& path, sqlite3* database) : path_(path), database_(database) {}
  static int OnCommit(void* self, sqlite3*, const char*, int wal_frames);
  absl::Status ErrorStatus(absl::string_view what) const;

  const std::string path_;
  sqlite3* const database_;
  int64_t wal_frames_ = 0;
};

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_SQLITE_DATABASE_H_
