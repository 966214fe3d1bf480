#include "server/pending/pending_inspection.h"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/pending/durable_file.h"
#include "server/pending/folder_lock.h"
#include "server/pending/high_water_mark.h"
#include "server/pending/record_codec.h"
#include "server/pending/record_table.h"
#include "server/pending/sqlite_database.h"

namespace router {
namespace {

namespace fs = std::filesystem;

constexpr char kDatabase[] = "pending.db";
constexpr char kLog[] = "pending.db-wal";
constexpr char kMark[] = "high_water_mark";
constexpr size_t kNamedProblemsMax = 100;
constexpr int64_t kRoomBeside = 16 << 20;  // For what SQLite writes beside the copy.

std::string PathOf(const std::string& directory, absl::string_view name) {
  return absl::StrCat(directory, "/", name);
}

void Add(std::string where, std::string what, PendingInspection* found) {
  if (found->problems.size() == kNamedProblemsMax) {
    found->problems.push_back({"…", "and more"});
  } else if (found->problems.size() < kNamedProblemsMax) {
    found->problems.push_back({std::move(where), std::move(what)});
  }
}

}  // namespace

PendingFolder::PendingFolder(std::string directory, std::string copy_folder)
    : directory_(std::move(directory)), copy_folder_(std::move(copy_folder)) {}

PendingFolder::~PendingFolder() {
  table_.reset();
  database_.reset();
  std::error_code ignored;
  fs::remove_all(copy_folder_, ignored);
}

absl::StatusOr<std::unique_ptr<PendingFolder>> PendingFolder::Copy(
    const std::string& directory, const std::string& temporary_folder) {
  std::string copy_folder = PathOf(temporary_folder, "router-pending-XXXXXX");
  if (mkdtemp(&copy_folder[0]) == nullptr) return FileError("create", copy_folder, errno);
  std::unique_ptr<PendingFolder> folder(new PendingFolder(directory, copy_folder));
  if (absl::Status status = folder->CopyFiles(); !status.ok()) return status;
  return folder;
}

absl::Status PendingFolder::CopyFiles() {
  const std::string database = PathOf(directory_, kDatabase);
  const std::string log = PathOf(directory_, kLog);
  if (FileSizeBytes(database) < 0) {
    return absl::NotFoundError(absl::StrCat("there is no pending queue in ", directory_, ": ",
                                            kDatabase, " is missing or cannot be reached"));
  }
  const absl::StatusOr<FolderLock> lock = FolderLock::AcquireForReading(directory_);
  if (!lock.ok()) return lock.status();
  const int64_t needed =
      FileSizeBytes(database) + std::max<int64_t>(0, FileSizeBytes(log)) + kRoomBeside;
  const absl::StatusOr<int64_t> free_bytes = FreeDiskBytes(copy_folder_);
  if (!free_bytes.ok()) return free_bytes.status();
  if (*free_bytes < needed) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the copy of the queue needs ", needed, " bytes, and ", copy_folder_, " has ",
                     *free_bytes, ": choose another folder with TMPDIR"));
  }
  absl::Status status = CopyFile(database, PathOf(copy_folder_, kDatabase));
  for (const auto& [from, name] :
       {std::make_pair(log, kLog), std::make_pair(PathOf(directory_, kMark), kMark)}) {
    if (status.ok() && FileSizeBytes(from) >= 0) {
      status = CopyFile(from, PathOf(copy_folder_, name));
    }
  }
  return status;
}

absl::Status PendingFolder::Open() {
  if (table_ != nullptr) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<SqliteDatabase>> database =
      SqliteDatabase::Open(PathOf(copy_folder_, kDatabase));
  if (!database.ok()) return database.status();
  const absl::StatusOr<int64_t> version = RecordTable::EnsureFormat(database->get());
  if (!version.ok()) return version.status();
  if (*version < RecordTable::kFormatVersion) {
    const absl::Status status = RecordTable::Upgrade(database->get(), *version);
    if (!status.ok()) return status;
  }
  absl::StatusOr<std::unique_ptr<RecordTable>> table = RecordTable::Prepare(database->get());
  if (!table.ok()) return table.status();
  database_ = *std::move(database);
  table_ = *std::move(table);
  return absl::OkStatus();
}

PendingInspection PendingFolder::Verify() {
  PendingInspection found;
  CheckSetAside(&found);
  const absl::Status status = Open();
  if (!status.ok()) {
    Add(kDatabase, std::string(status.message()), &found);
    return found;
  }
  CheckDatabase(&found);
  CheckRecords(&found);
  CheckMark(&found);
  return found;
}

void PendingFolder::CheckDatabase(PendingInspection* found) {
  const absl::StatusOr<std::string> check = database_->QueryText("PRAGMA integrity_check(1)");
  if (!check.ok()) {
    Add(kDatabase, std::string(check.status().message()), found);
  } else if (*check != "ok") {
    Add(kDatabase, *check, found);
  }
}

void PendingFolder::CheckRecords(PendingInspection* found) {
  uint64_t last = 0;
  int64_t rows = 0;
  absl::Status status = table_->ReadRecords(
      0, [](uint64_t) { return false; },
      [&](const RecordFields& fields, bool intact) {
        ++rows;
        const std::string where = absl::StrCat("record ", fields.sequence);
        if (!intact || !ToPendingRecord(fields, false).ok()) {
          Add(where, "its checksum does not match", found);
        }
        if (fields.sequence <= last) Add(where, "it is out of order", found);
        if (last != 0 && fields.sequence > last + 1) ++found->gaps;
        if (found->first_sequence == 0) found->first_sequence = fields.sequence;
        last = fields.sequence;
        found->record_bytes += fields.size_bytes;
        return Reading::kContinue;
      });
  if (!status.ok()) Add("pending", std::string(status.message()), found);
  found->records = rows;
  status = table_->ReadDeadLetters(
      0, [&](const RecordFields& fields, const DeadLetterFields&, bool intact) {
        ++found->dead_letters;
        if (!intact) {
          Add(absl::StrCat("dead letter ", fields.sequence), "its checksum does not match", found);
        }
        return Reading::kContinue;
      });
  if (!status.ok()) Add("dead_letters", std::string(status.message()), found);

  const absl::StatusOr<QueueState> state = table_->ReadState();
  if (!state.ok()) return Add("queue_state", std::string(state.status().message()), found);
  found->last_sequence = state->last_sequence;
  if (rows != state->record_count) {
    Add("pending",
        absl::StrCat("it holds ", rows, " records where ", state->record_count, " were committed"),
        found);
  }
  if (last > state->last_sequence) {
    Add("queue_state",
        absl::StrCat("the last sequence given is ", state->last_sequence,
                     ", and there is a record ", last),
        found);
  }
}

void PendingFolder::CheckMark(PendingInspection* found) const {
  const absl::StatusOr<QueueState> state = table_->ReadState();
  if (!state.ok()) return;
  const auto mark = HighWaterMark(PathOf(copy_folder_, kMark)).Read();
  if (!mark.has_value()) {
    if (state->commit_number > 0) {
      Add(kMark, "it cannot be read: whether commits are lost cannot be told", found);
    }
    return;
  }
  found->last_sequence = std::max(found->last_sequence, mark->last_sequence);
  if (mark->commit_number <= state->commit_number) return;
  Add(kLog,
      absl::StrCat("the last ", mark->commit_number - state->commit_number,
                   " commits are lost; messages ", state->last_sequence + 1, " to ",
                   mark->last_sequence, " may be missing"),
      found);
}

void PendingFolder::CheckSetAside(PendingInspection* found) {
  std::error_code error;
  for (fs::directory_iterator it(directory_, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename();
    if (absl::StrContains(name, ".damaged-")) found->set_aside.push_back(name);
    if (name == "damage.log") {
      Add(name, "damage that a router has found and nobody has acknowledged", found);
    }
  }
  std::sort(found->set_aside.begin(), found->set_aside.end());
  if (!Open().ok()) return;
  const absl::StatusOr<int64_t> rows = database_->QueryInt64("SELECT count(*) FROM damaged");
  if (rows.ok()) found->damaged_rows = *rows;
}

absl::StatusOr<int64_t> PendingFolder::ForEach(
    absl::FunctionRef<absl::Status(const PendingRecord&)> visit) {
  if (absl::Status status = Open(); !status.ok()) return status;
  int64_t damaged = 0;
  absl::Status visited;
  const absl::Status read = table_->ReadRecords(
      0, [](uint64_t) { return false; },
      [&](const RecordFields& fields, bool intact) {
        const absl::StatusOr<PendingRecord> record = ToPendingRecord(fields, true);
        if (!intact || !record.ok()) {
          ++damaged;
          return Reading::kContinue;
        }
        visited = visit(*record);
        return visited.ok() ? Reading::kContinue : Reading::kStop;
      });
  if (!visited.ok()) return visited;
  if (!read.ok()) return read;
  return damaged;
}

}  // namespace router
