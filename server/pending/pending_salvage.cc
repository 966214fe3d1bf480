#include "server/pending/pending_salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/pending/durable_file.h"

namespace router {
namespace {

// Where reading fails, it goes on one sequence further, until a seek leads around the damage.
constexpr int64_t kSeeksMax = 10000000;

// In the header of a database file.
constexpr int64_t kPageBytes = 4096;
constexpr int kWriteVersionOffset = 18;
constexpr int kReadVersionOffset = 19;
constexpr char kWalVersion = 2;
constexpr int kPageCountOffset = 28;

// Copies what can be read; adds the sequences to `copied`.
absl::Status CopyRecords(RecordTable* from, uint64_t last_sequence, RecordTable* to,
                         absl::flat_hash_set<uint64_t>* copied) {
  uint64_t after = 0;
  for (int64_t seeks = 0; seeks < kSeeksMax; ++seeks) {
    absl::Status written;
    const absl::Status read = from->ReadRecords(
        after, [&](uint64_t sequence) { return copied->contains(sequence); },
        [&](const RecordFields& fields, bool intact) {
          if (!intact) return Reading::kContinue;
          written = to->Insert(fields);
          if (!written.ok()) return Reading::kStop;
          copied->insert(fields.sequence);
          after = std::max(after, fields.sequence);
          return Reading::kContinue;
        });
    if (!written.ok()) return written;
    if (read.ok() || ++after >= last_sequence) return absl::OkStatus();
  }
  return absl::OkStatus();
}

void RemoveDatabase(const std::string& path) {
  for (const char* suffix : {"", "-journal", "-wal", "-shm"})
    unlink(absl::StrCat(path, suffix).c_str());
}

// A new and empty database in the place of what is there.
absl::StatusOr<std::unique_ptr<SqliteDatabase>> CreateDatabase(const std::string& path) {
  RemoveDatabase(path);
  // Created here for its permissions.
  const absl::Status created = OpenFile(path, O_RDWR | O_CREAT).status();
  if (!created.ok()) return created;
  absl::StatusOr<std::unique_ptr<SqliteDatabase>> database = SqliteDatabase::Open(path);
  if (!database.ok()) return database;
  absl::Status status = (*database)->Execute(absl::StrCat("PRAGMA page_size = ", kPageBytes));
  if (status.ok()) status = RecordTable::EnsureFormat(database->get()).status();
  if (!status.ok()) return status;
  return database;
}

// The first page of a new database, which is made in `scratch_path` for a moment.
absl::StatusOr<std::string> NewFirstPage(const std::string& scratch_path) {
  const absl::Status created = CreateDatabase(scratch_path).status();
  std::string page(kPageBytes, '\0');
  std::ifstream file(scratch_path, std::ios::binary);
  file.read(&page[0], kPageBytes);
  const bool complete = file.gcount() == kPageBytes;
  RemoveDatabase(scratch_path);
  if (!created.ok()) return created;
  if (!complete) return absl::UnavailableError(absl::StrCat("cannot read ", scratch_path));
  return page;
}

// The fields of the header that differ between databases are given the values of this one.
absl::Status ReplaceFirstPage(const std::string& path, std::string page) {
  page[kWriteVersionOffset] = kWalVersion;
  page[kReadVersionOffset] = kWalVersion;
  const uint64_t pages = static_cast<uint64_t>(FileSizeBytes(path)) / kPageBytes;
  for (int i = 0; i < 4; ++i) {
    page[kPageCountOffset + i] = static_cast<char>(pages >> (8 * (3 - i)));
  }
  absl::StatusOr<FileDescriptor> file = OpenFile(path, O_RDWR);
  if (!file.ok()) return file.status();
  return WriteAt(*file, path, page, 0);
}

}  // namespace

absl::StatusOr<int64_t> SalvageRecords(RecordTable* damaged, const QueueState& state,
                                       const std::string& new_path) {
  absl::StatusOr<std::unique_ptr<SqliteDatabase>> database = CreateDatabase(new_path);
  if (!database.ok()) return database.status();
  absl::StatusOr<std::unique_ptr<RecordTable>> table = RecordTable::Prepare(database->get());
  if (!table.ok()) return table.status();

  absl::flat_hash_set<uint64_t> copied;
  absl::Status status = (*database)->Execute("BEGIN");
  if (status.ok() && damaged != nullptr) {
    status = CopyRecords(damaged, state.last_sequence, table->get(), &copied);
  }
  QueueState salvaged = state;
  salvaged.record_count = static_cast<int64_t>(copied.size());
  if (status.ok()) status = (*table)->WriteState(salvaged);
  if (status.ok()) status = (*database)->Execute("COMMIT");
  if (!status.ok()) return status;
  return salvaged.record_count;
}

namespace {

absl::StatusOr<int64_t> SalvageCopy(const std::string& copy_path, const QueueState& state,
                                    const std::string& new_path) {
  absl::StatusOr<std::unique_ptr<SqliteDatabase>> database = SqliteDatabase::Open(copy_path);
  if (!database.ok()) return database.status();
  (*database)->Abandon();
  absl::StatusOr<std::unique_ptr<RecordTable>> table = RecordTable::Prepare(database->get());
  if (!table.ok()) return table.status();
  return SalvageRecords(table->get(), state, new_path);
}

}  // namespace

absl::StatusOr<Salvaged> SalvageWithoutFirstPage(const std::string& damaged_path,
                                                 const QueueState& state,
                                                 const std::string& new_path) {
  const std::string copy_path = absl::StrCat(damaged_path, ".salvage");
  const absl::Cleanup remove_copy = [&copy_path] { RemoveDatabase(copy_path); };
  RemoveDatabase(copy_path);
  const absl::StatusOr<std::string> first_page = NewFirstPage(copy_path);
  if (!first_page.ok()) return first_page.status();
  absl::Status status = CopyFile(damaged_path, copy_path);
  const std::string log_path = absl::StrCat(damaged_path, "-wal");
  if (status.ok() && FileSizeBytes(log_path) > 0) {
    status = CopyFile(log_path, absl::StrCat(copy_path, "-wal"));
  }
  if (status.ok()) status = ReplaceFirstPage(copy_path, *first_page);
  if (!status.ok()) return status;

  const absl::StatusOr<int64_t> records = SalvageCopy(copy_path, state, new_path);
  if (!records.ok()) return records.status();
  Salvaged salvaged;
  salvaged.records = *records;
  absl::StatusOr<std::unique_ptr<SqliteDatabase>> database = SqliteDatabase::Open(new_path);
  salvaged.dead_letters =
      database.ok() ? CopyDeadLetters(database->get(), copy_path) : database.status();
  return salvaged;
}

absl::Status ReplaceDatabase(const std::string& path, const std::string& new_path,
                             const std::string& kept_as) {
  const std::string log_path = absl::StrCat(path, "-wal");
  const std::string kept_log_path = absl::StrCat(kept_as, "-wal");
  if (link(path.c_str(), kept_as.c_str()) != 0) return FileError("keep", path, errno);
  if (rename(log_path.c_str(), kept_log_path.c_str()) != 0 && errno != ENOENT) {
    return FileError("rename", log_path, errno);
  }
  if (rename(new_path.c_str(), path.c_str()) != 0) return FileError("rename", new_path, errno);
  return SyncDirectory(path.substr(0, path.find_last_of('/')));
}

absl::Status CopyDeadLetters(SqliteDatabase* to, const std::string& from) {
  const std::string quoted = absl::StrReplaceAll(from, {{"'", "''"}});
  absl::Status status = to->Execute(absl::StrCat("ATTACH '", quoted, "' AS damaged_file"));
  if (!status.ok()) return status;
  const std::string columns = RecordTable::DeadLetterColumns();
  status = to->Execute(absl::StrCat("INSERT OR IGNORE INTO main.dead_letters(", columns,
                                    ") SELECT ", columns, " FROM damaged_file.dead_letters"));
  const absl::Status detached = to->Execute("DETACH damaged_file");
  return status.ok() ? detached : status;
}

}  // namespace router
