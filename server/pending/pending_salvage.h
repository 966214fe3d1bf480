// What can be saved of a database whose structure is damaged.
#ifndef ROUTER_SERVER_PENDING_PENDING_SALVAGE_H_
#define ROUTER_SERVER_PENDING_PENDING_SALVAGE_H_

#include <string>

#include "absl/status/status.h"
#include "server/pending/record_table.h"
#include "server/pending/sqlite_database.h"

namespace router {

// Writes a database to `new_path`, replacing what is there, with every record of `damaged` that can
// be reached and whose checksum matches. It stands where `state` does, but for the number of
// records.
absl::Status SalvageRecords(RecordTable* damaged, const QueueState& state,
                            const std::string& new_path);

// Puts `new_path` in the place of `path`, and keeps the old database, with its log, as `kept_as`.
// None of them may be open.
absl::Status ReplaceDatabase(const std::string& path, const std::string& new_path,
                             const std::string& kept_as);

// Copies the dead letters of the database in the file `from`.
absl::Status CopyDeadLetters(SqliteDatabase* to, const std::string& from);

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_PENDING_SALVAGE_H_
