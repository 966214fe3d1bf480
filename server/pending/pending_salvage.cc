#include "server/pending/pending_salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "server/pending/durable_file.h"

namespace router {
namespace {

// Where reading fails, it goes on one sequence further, until a seek leads around the damage.
constexpr int64_t kSeeksMax = 10000000;

// In the header of a database file.
constexpr int64_t kPageBytes = RecordTable::kPageBytes;
constexpr int kWriteVersionOffset = 18;
constexpr int kReadVersionOffset = 19;
constexpr char kWalVersion = 2;
constexpr int kPageCountOffset = 28;

struct CopiedRows {
  absl::flat_hash_set<uint64_t> found;
  absl::flat_hash_set<uint64_t> copied;
};

using CopyRow = absl::FunctionRef<absl::Status()>;
using TakeRow = absl::FunctionRef<Reading(uint64_t sequence, bool intact, CopyRow copy)>;

// Copies what can be read by `read`, which reads the rows behind a sequence.
absl::Status CopyRows(uint64_t last_sequence,
                      absl::FunctionRef<absl::Status(uint64_t after, TakeRow take)> read,
                      CopiedRows* rows) {
  const uint64_t end = last_sequence == 0 ? std::numeric_limits<int64_t>::max() : last_sequence;
  uint64_t after = 0;
  for (int64_t seeks = 0; seeks < kSeeksMax; ++seeks) {
    absl::Status written;
    const absl::Status status = read(after, [&](uint64_t sequence, bool intact, CopyRow copy_row) {
      rows->found.insert(sequence);
      if (!intact) return Reading::kContinue;
      after = std::max(after, sequence);
      if (rows->copied.contains(sequence)) return Reading::kContinue;
      written = copy_row();
      if (!written.ok()) return Reading::kStop;
      rows->copied.insert(sequence);
      return Reading::kContinue;
    });
    if (!written.ok()) return written;
    if (status.ok() || ++after >= end) break;
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

// How the columns of a database are ordered.
enum class Columns { kAsNew, kAsUpgraded };

// The first page of a new database, which is made in `scratch_path` for a moment.
absl::StatusOr<std::string> NewFirstPage(const std::string& scratch_path, Columns columns) {
  absl::StatusOr<std::unique_ptr<SqliteDatabase>> database = CreateDatabase(scratch_path);
  absl::Status created = database.status();
  if (created.ok() && columns == Columns::kAsUpgraded) {
    created = RecordTable::OrderColumnsAsUpgraded(database->get());
  }
  if (database.ok()) database->reset();
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

// A new database that is filled in one transaction.
class NewDatabase {
 public:
  absl::Status Create(const std::string& path) {
    absl::StatusOr<std::unique_ptr<SqliteDatabase>> database = CreateDatabase(path);
    if (!database.ok()) return database.status();
    absl::StatusOr<std::unique_ptr<RecordTable>> table = RecordTable::Prepare(database->get());
    if (!table.ok()) return table.status();
    database_ = *std::move(database);
    table_ = *std::move(table);
    return database_->Execute("BEGIN");
  }

  // What is intact and not copied yet.
  absl::Status CopyFrom(RecordTable* damaged, uint64_t last_sequence) {
    const auto read_records = [&](uint64_t after, TakeRow take) {
      return damaged->ReadRecords(
          after, [&](uint64_t sequence) { return records_.copied.contains(sequence); },
          [&](const RecordFields& fields, bool intact) {
            return take(fields.sequence, intact, [&] { return table_->Insert(fields); });
          });
    };
    const auto read_dead_letters = [&](uint64_t after, TakeRow take) {
      return damaged->ReadDeadLetters(after, [&](const RecordFields& fields,
                                                 const DeadLetterFields& why, bool intact) {
        return take(fields.sequence, intact, [&] { return table_->InsertDeadLetter(fields, why); });
      });
    };
    absl::Status status = CopyRows(last_sequence, read_records, &records_);
    return status.ok() ? CopyRows(last_sequence, read_dead_letters, &dead_letters_) : status;
  }

  bool has_all_dead_letters() const {
    return dead_letters_.copied.size() == dead_letters_.found.size();
  }

  absl::StatusOr<Salvaged> Commit(QueueState state) {
    Salvaged salvaged;
    salvaged.records = static_cast<int64_t>(records_.copied.size());
    salvaged.dead_letters = static_cast<int64_t>(dead_letters_.copied.size());
    salvaged.damaged_dead_letters =
        static_cast<int64_t>(dead_letters_.found.size()) - salvaged.dead_letters;
    state.record_count = salvaged.records;
    for (const CopiedRows* rows : {&records_, &dead_letters_}) {
      for (uint64_t sequence : rows->copied) {
        state.last_sequence = std::max(state.last_sequence, sequence);
      }
    }
    absl::Status status = table_->WriteState(state);
    if (status.ok()) status = database_->Execute("COMMIT");
    if (!status.ok()) return status;
    return salvaged;
  }

 private:
  std::unique_ptr<SqliteDatabase> database_;
  std::unique_ptr<RecordTable> table_;
  CopiedRows records_;
  CopiedRows dead_letters_;
};

// From the copy in `path`, given the first page of a database with such columns.
absl::Status CopyWithFirstPage(const std::string& path, const std::string& first_page,
                               uint64_t last_sequence, NewDatabase* salvaged) {
  if (absl::Status status = ReplaceFirstPage(path, first_page); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<SqliteDatabase>> database = SqliteDatabase::Open(path);
  if (!database.ok()) return database.status();
  (*database)->Abandon();
  absl::StatusOr<std::unique_ptr<RecordTable>> table = RecordTable::Prepare(database->get());
  if (!table.ok()) return table.status();
  return salvaged->CopyFrom(table->get(), last_sequence);
}

}  // namespace

absl::StatusOr<Salvaged> SalvageRecords(RecordTable* damaged, const QueueState& state,
                                        const std::string& new_path) {
  NewDatabase salvaged;
  absl::Status status = salvaged.Create(new_path);
  if (status.ok() && damaged != nullptr) status = salvaged.CopyFrom(damaged, state.last_sequence);
  if (!status.ok()) return status;
  return salvaged.Commit(state);
}

absl::StatusOr<Salvaged> SalvageWithoutFirstPage(const std::string& damaged_path,
                                                 const QueueState& state,
                                                 const std::string& new_path) {
  const std::string copy_path = absl::StrCat(damaged_path, ".salvage");
  const absl::Cleanup remove_copy = [&copy_path] { RemoveDatabase(copy_path); };
  std::vector<std::string> first_pages;
  for (Columns columns : {Columns::kAsNew, Columns::kAsUpgraded}) {
    absl::StatusOr<std::string> first_page = NewFirstPage(copy_path, columns);
    if (!first_page.ok()) return first_page.status();
    first_pages.push_back(*std::move(first_page));
  }
  absl::Status status = CopyFile(damaged_path, copy_path);
  const std::string log_path = absl::StrCat(damaged_path, "-wal");
  if (status.ok() && FileSizeBytes(log_path) > 0) {
    status = CopyFile(log_path, absl::StrCat(copy_path, "-wal"));
  }
  NewDatabase salvaged;
  if (status.ok()) status = salvaged.Create(new_path);
  for (const std::string& first_page : first_pages) {
    if (status.ok()) {
      status = CopyWithFirstPage(copy_path, first_page, state.last_sequence, &salvaged);
    }
    if (salvaged.has_all_dead_letters()) break;
  }
  if (!status.ok()) return status;
  return salvaged.Commit(state);
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

}  // namespace router
