// Looks at the folder of a pending queue that no router has open. For tools: the router itself
// never uses it. Nothing in the folder is written: the database and its log are copied to a
// temporary folder, where SQLite may put them together.
#ifndef ROUTER_SERVER_PENDING_PENDING_INSPECTION_H_
#define ROUTER_SERVER_PENDING_PENDING_INSPECTION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/pending/pending_queue.h"

namespace router {

class RecordTable;
class SqliteDatabase;

// What a folder holds and what is wrong with it.
struct PendingInspection {
  struct Problem {
    std::string where;  // A file of the folder, a table or a record.
    std::string what;
  };

  int64_t records = 0;
  int64_t record_bytes = 0;     // Sum of their size_bytes.
  uint64_t first_sequence = 0;  // 0 where there are no records.
  uint64_t last_sequence = 0;   // The last one given.
  int64_t gaps = 0;  // Places where delivered records are missing between others: normal.
  int64_t dead_letters = 0;
  int64_t damaged_rows = 0;            // Set aside earlier, in the table `damaged`.
  std::vector<std::string> set_aside;  // Names of files that were set aside earlier.
  std::vector<Problem> problems;       // Empty: whole. At most 100 damaged records are named.
};

// A copy of the queue of one folder. For one thread.
class PendingFolder {
 public:
  // Copies. `temporary_folder` gets a folder of its own, deleted with this object; it needs as much
  // room as the database and its log take. FAILED_PRECONDITION where a router has the folder open,
  // NOT_FOUND where there is no queue, RESOURCE_EXHAUSTED without the room. While it copies no
  // router can start on the folder.
  static absl::StatusOr<std::unique_ptr<PendingFolder>> Copy(const std::string& directory,
                                                             const std::string& temporary_folder);
  ~PendingFolder();
  PendingFolder(const PendingFolder&) = delete;
  PendingFolder& operator=(const PendingFolder&) = delete;

  // Reads and checks everything.
  PendingInspection Verify();

  // Every record that is whole, in order. Returns how many are not. Stops at the visitor's errors.
  absl::StatusOr<int64_t> ForEach(absl::FunctionRef<absl::Status(const PendingRecord&)> visit);

 private:
  PendingFolder(std::string directory, std::string copy_folder);
  absl::Status CopyFiles();
  absl::Status Open();
  void CheckDatabase(PendingInspection* found);
  void CheckRecords(PendingInspection* found);
  void CheckMark(PendingInspection* found) const;
  void CheckSetAside(PendingInspection* found);

  const std::string directory_;
  const std::string copy_folder_;
  std::unique_ptr<SqliteDatabase> database_;
  std::unique_ptr<RecordTable> table_;
};

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_PENDING_INSPECTION_H_
