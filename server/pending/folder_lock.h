#ifndef ROUTER_SERVER_PENDING_FOLDER_LOCK_H_
#define ROUTER_SERVER_PENDING_FOLDER_LOCK_H_

#include <string>

#include "absl/status/statusor.h"
#include "server/pending/durable_file.h"

namespace router {

// Keeps a second process, or a second queue of this one, out of a folder, by an flock on
// `<folder>/LOCK`, which holds the process id for people. Held as long as the object lives; the
// kernel gives it up when the process dies, however it dies.
class FolderLock {
 public:
  // FAILED_PRECONDITION, with the folder and the process that has it, where it is locked already.
  static absl::StatusOr<FolderLock> Acquire(const std::string& directory);

  // For programs that only read: writes nothing and creates nothing, and shares the folder with
  // others of its kind. Without a file to lock the folder has never been open.
  static absl::StatusOr<FolderLock> AcquireForReading(const std::string& directory);

 private:
  explicit FolderLock(FileDescriptor file) : file_(std::move(file)) {}

  FileDescriptor file_;
};

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_FOLDER_LOCK_H_
