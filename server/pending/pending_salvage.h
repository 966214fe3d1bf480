// What can be saved of a database whose structure is damaged.
#ifndef ROUTER_SERVER_PENDING_PENDING_SALVAGE_H_
#define ROUTER_SERVER_PENDING_PENDING_SALVAGE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/pending/record_table.h"
#include "server/pending/sqlite_database.h"

namespace router {

struct Salvaged {
  int64_t records = 0;
  int64_t dead_letters = 0;
  int64_t damaged_dead_letters = 0;  // Found, and not copied.
};

// Writes a database to `new_path`, replacing what is there, with every record and dead letter of
// `damaged` that can be reached and whose checksum matches; null: none. `damaged` is only read. The
// new one stands where `state` does, but for the number of records, and behind every sequence that
// it holds; a `last_sequence` of 0 is not known.
absl::StatusOr<Salvaged> SalvageRecords(RecordTable* damaged, const QueueState& state,
                                        const std::string& new_path);

// Like SalvageRecords, from the file `damaged_path` and its log, whose first page is damaged: it
// reads a copy of them with the first page of a new database, which lays its tables out in the same
// way, and with one whose columns are ordered as in a database of format 1 that was upgraded. Needs
// the room for the copy.
absl::StatusOr<Salvaged> SalvageWithoutFirstPage(const std::string& damaged_path,
                                                 const QueueState& state,
                                                 const std::string& new_path);

// Puts `new_path` in the place of `path`, and keeps the old database, with its log, as `kept_as`.
// None of them may be open.
absl::Status ReplaceDatabase(const std::string& path, const std::string& new_path,
                             const std::string& kept_as);

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_PENDING_SALVAGE_H_
