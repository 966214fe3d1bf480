#include "server/pending/pending_salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/pending/durable_file.h"

namespace router {
namespace {

// Where reading fails, it goes on one sequence further, until a seek leads around the damage.
constexpr int64_t kSeeksMax = 10000000;

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

void RemoveFile(const std::string& path) { unlink(path.c_str()); }

}  // namespace

absl::Status SalvageRecords(RecordTable* damaged, const QueueState& state,
                            const std::string& new_path) {
  RemoveFile(new_path);
  RemoveFile(absl::StrCat(new_path, "-journal"));
  // Created here for its permissions.
  const absl::Status created = OpenFile(new_path, O_RDWR | O_CREAT).status();
  if (!created.ok()) return created;
  absl::StatusOr<std::unique_ptr<SqliteDatabase>> database = SqliteDatabase::Open(new_path);
  if (!database.ok()) return database.status();
  absl::Status status = RecordTable::EnsureFormat(database->get()).status();
  if (!status.ok()) return status;
  absl::StatusOr<std::unique_ptr<RecordTable>> table = RecordTable::Prepare(database->get());
  if (!table.ok()) return table.status();

  absl::flat_hash_set<uint64_t> copied;
  status = (*database)->Execute("BEGIN");
  if (status.ok()) status = CopyRecords(damaged, state.last_sequence, table->get(), &copied);
  QueueState salvaged = state;
  salvaged.record_count = static_cast<int64_t>(copied.size());
  if (status.ok()) status = (*table)->WriteState(salvaged);
  if (status.ok()) status = (*database)->Execute("COMMIT");
  return status;
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
