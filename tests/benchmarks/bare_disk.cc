// Writes messages to disk in synced batches, and nothing else: the reference for the pending queue.
// Prints one line of JSON with what it measured. See bench.py.
//
//   sqlite   the queue's rows, each batch one commit, with the queue's settings of SQLite
//   append   the same bytes at the end of a file, each batch one fdatasync
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include <random>
#include <string>
#include <thread>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/benchmarks/meter.h"

ABSL_FLAG(std::string, folder, "", "Where to write. Required.");
ABSL_FLAG(std::string, mode, "sqlite", "sqlite or append.");
ABSL_FLAG(int, batch, 1000, "Messages of each commit.");
ABSL_FLAG(int, payload, 256, "Bytes of each payload.");
ABSL_FLAG(int, keys, 64, "Subjects.");

namespace router {
namespace {

// See server/pending/FORMAT.md.
constexpr char kSettings[] =
    "PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA page_size = 4096;"
    "PRAGMA mmap_size = 0;"
    "PRAGMA cache_size = -16384;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA journal_size_limit = 16777216;"
    "PRAGMA auto_vacuum = INCREMENTAL;"
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA wal_autocheckpoint = 1000;";
constexpr char kTable[] =
    "CREATE TABLE pending(sequence INTEGER PRIMARY KEY,"
    " accepted_at_ms INTEGER NOT NULL, expires_at_ms INTEGER, key_hash INTEGER NOT NULL,"
    " size_bytes INTEGER NOT NULL, guarantee INTEGER NOT NULL, caller_chose_id INTEGER NOT NULL,"
    " message_id TEXT NOT NULL, subject TEXT NOT NULL, ordering_key TEXT NOT NULL,"
    " headers BLOB NOT NULL, payload BLOB NOT NULL, checksum INTEGER NOT NULL,"
    " first_sent_at_ms INTEGER, content_hash INTEGER)";
constexpr char kInsert[] =
    "INSERT INTO pending(sequence, accepted_at_ms, expires_at_ms, key_hash, size_bytes, guarantee,"
    " caller_chose_id, message_id, subject, ordering_key, headers, payload, checksum,"
    " first_sent_at_ms, content_hash) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)";
// What hashes look like: all eight bytes are used.
constexpr int64_t kSomeHash = 0x7eadbeefcafe1234;

// One message, with another id and subject each time.
class Row {
 public:
  Row() : payload_(static_cast<size_t>(absl::GetFlag(FLAGS_payload)), '\0') {
    std::mt19937 random(1);
    for (char& c : payload_) c = static_cast<char>(random());
  }

  void Next() {
    ++sequence_;
    subject_ = absl::StrCat("bench.", sequence_ % absl::GetFlag(FLAGS_keys));
    id_ = absl::StrFormat("%016x%012x", static_cast<uint64_t>(kSomeHash), sequence_);
  }

  int64_t sequence() const { return sequence_; }
  const std::string& subject() const { return subject_; }
  const std::string& id() const { return id_; }
  const std::string& payload() const { return payload_; }

 private:
  int64_t sequence_ = 0;
  std::string subject_;
  std::string id_;
  std::string payload_;
};

class Database {
 public:
  explicit Database(const std::string& path) {
    Check(sqlite3_open_v2(path.c_str(), &database_,
                          SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                          nullptr));
    Execute(kSettings);
    Execute(kTable);
    Check(sqlite3_prepare_v3(database_, kInsert, -1, SQLITE_PREPARE_PERSISTENT, &insert_, nullptr));
  }

  ~Database() {
    sqlite3_finalize(insert_);
    sqlite3_close(database_);
  }

  void Execute(const char* sql) { Check(sqlite3_exec(database_, sql, nullptr, nullptr, nullptr)); }

  void Insert(const Row& row) {
    sqlite3_bind_int64(insert_, 1, row.sequence());
    sqlite3_bind_int64(insert_, 2, 1767225600000);
    sqlite3_bind_null(insert_, 3);
    sqlite3_bind_int64(insert_, 4, kSomeHash);
    sqlite3_bind_int64(insert_, 5, static_cast<int64_t>(row.payload().size()) + 128);
    sqlite3_bind_int64(insert_, 6, 1);
    sqlite3_bind_int64(insert_, 7, 0);
    BindText(8, row.id());
    BindText(9, row.subject());
    BindText(10, row.subject());
    sqlite3_bind_blob(insert_, 11, "", 0, SQLITE_STATIC);
    sqlite3_bind_blob(insert_, 12, row.payload().data(), static_cast<int>(row.payload().size()),
                      SQLITE_STATIC);
    sqlite3_bind_int64(insert_, 13, kSomeHash);
    sqlite3_bind_null(insert_, 14);
    sqlite3_bind_null(insert_, 15);
    if (sqlite3_step(insert_) != SQLITE_DONE) Check(SQLITE_ERROR);
    Check(sqlite3_reset(insert_));
  }

 private:
  void BindText(int parameter, const std::string& text) {
    sqlite3_bind_text(insert_, parameter, text.data(), static_cast<int>(text.size()),
                      SQLITE_STATIC);
  }

  // Ends the process where SQLite failed.
  void Check(int result) {
    if (result == SQLITE_OK) return;
    fprintf(stderr, "SQLite: %s\n", sqlite3_errmsg(database_));
    exit(1);
  }

  sqlite3* database_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
};

void CommitBatches(const std::string& folder, Meter* meter) {
  const int batch = absl::GetFlag(FLAGS_batch);
  Database database(folder + "/bare.db");
  Row row;
  while (!meter->stopping()) {
    database.Execute("BEGIN");
    for (int i = 0; i < batch; ++i) {
      row.Next();
      database.Insert(row);
    }
    database.Execute("COMMIT");
    meter->Complete(batch);
  }
}

void AppendBatches(const std::string& folder, Meter* meter) {
  const int batch = absl::GetFlag(FLAGS_batch);
  const int file = open((folder + "/bare.log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  Row row;
  std::string bytes;
  while (!meter->stopping()) {
    bytes.clear();
    for (int i = 0; i < batch; ++i) {
      row.Next();
      absl::StrAppend(&bytes, row.id(), row.subject(), row.subject(), row.payload());
    }
    const ssize_t size = static_cast<ssize_t>(bytes.size());
    if (write(file, bytes.data(), bytes.size()) != size || fdatasync(file) != 0) {
      meter->Fail("cannot append");
    }
    meter->Complete(batch);
  }
  close(file);
}

int Main() {
  const std::string folder = absl::GetFlag(FLAGS_folder);
  const bool append = absl::GetFlag(FLAGS_mode) == "append";
  Meter meter(MeterOptionsFromFlags());
  std::thread load([&] { append ? AppendBatches(folder, &meter) : CommitBatches(folder, &meter); });
  meter.Measure();
  load.join();
  return meter.Report();
}

}  // namespace
}  // namespace router

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return router::Main();
}
