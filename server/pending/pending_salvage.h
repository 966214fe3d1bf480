// What can be saved of a database whose structure is damaged.
#ifndef ROUTER_SERVER_PENDING_PENDING_SALVAGE_H_
#define ROUTER_SERVER_PENDING_PENDING_SALVAGE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/pending/record_table.h"
#include "server/pending/sqlite_database.h"

namespace router {

// Writes a database to `new_path`, replacing what is there, with every record of `damaged` that can
// be reached and whose checksum matches; null: none. It stands where `state` does, but for the
// number of records, which is returned.
absl::StatusOr<int64_t> SalvageRecords(RecordTable* damaged, const QueueState& state,
                                       const std::string& new_path);

struct Salvaged {
  int64_t records = 0;
  absl::Status dead_letters;  // OK: copied too.
};

// Like SalvageRecords, from the file `damaged_path` and its log, whose first page is damaged: it
// reads a copy of them with the first page of a new database, which lays its tables out in the same
// way. Needs the room for the copy.
absl::StatusOr<Salvaged> SalvageWithoutFirstPage(const std::string& damaged_path,
                                                 const QueueState& state,
                                                 const std::string& new_path);

// Puts `new_path` in the place of `path`, and keeps the old database, with its log, as `kept_as`.
// None of them may be open.
absl::Status ReplaceDatabase(const std::string& path, const std::string& new_path,
                             const std::string& kept_as);

// Copies the dead letters of the database in the file `from`.
absl::Status CopyDeadLetters(SqliteDatabase* to, const std::string& from);

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_PENDING_SALVAGE_H_
