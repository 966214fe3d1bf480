// Small POSIX helpers for files and folders that have to survive a power cut. Errors name the path.
#ifndef ROUTER_SERVER_PENDING_DURABLE_FILE_H_
#define ROUTER_SERVER_PENDING_DURABLE_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace router {

// Owns a file descriptor. Movable.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// "cannot <what> <path>: <errno in words>", with a code that fits `error_number`.
absl::Status FileError(absl::string_view what, const std::string& path, int error_number);

absl::StatusOr<FileDescriptor> OpenFile(const std::string& path, int flags);

// Writes all of `data` at `offset`.
absl::Status WriteAt(const FileDescriptor& file, const std::string& path, absl::string_view data,
                     int64_t offset);

// Makes the names in a folder durable.
absl::Status SyncDirectory(const std::string& path);

// Creates the folder, and those above it, for this user only. OK if it is there already.
absl::Status CreateDirectories(const std::string& path);

// -1 where there is no such file.
int64_t FileSizeBytes(const std::string& path);

// What an unprivileged user may still write on the file system of `path`.
absl::StatusOr<int64_t> FreeDiskBytes(const std::string& path);

// A durable copy of `from` under the new name `to`.
absl::Status CopyFile(const std::string& from, const std::string& to);

// Durably cuts the file off at `size_bytes`. OK where it is no longer, or not there.
absl::Status TruncateFile(const std::string& path, int64_t size_bytes);

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_DURABLE_FILE_H_
