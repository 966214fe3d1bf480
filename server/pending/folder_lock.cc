#include "server/pending/folder_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace router {
namespace {

std::string ReadOwner(const FileDescriptor& file) {
  char text[32];
  const ssize_t size = pread(file.get(), text, sizeof(text), 0);
  if (size <= 0) return "unknown";
  return std::string(absl::StripAsciiWhitespace(absl::string_view(text, size)));
}

absl::Status Lock(const FileDescriptor& file, int how, const std::string& directory,
                  const std::string& path) {
  int result;
  do {
    result = flock(file.get(), how | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return absl::OkStatus();
  if (errno != EWOULDBLOCK) return FileError("lock", path, errno);
  return absl::FailedPreconditionError(
      absl::StrCat("the folder ", directory, " is in use by the process ", ReadOwner(file),
                   ": stop that process, or give this one a folder of its own"));
}

}  // namespace

absl::StatusOr<FolderLock> FolderLock::AcquireForReading(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/LOCK");
  if (FileSizeBytes(path) < 0) return FolderLock(FileDescriptor());
  absl::StatusOr<FileDescriptor> file = OpenFile(path, O_RDONLY);
  if (!file.ok()) return file.status();
  const absl::Status locked = Lock(*file, LOCK_SH, directory, path);
  if (!locked.ok()) return locked;
  return FolderLock(*std::move(file));
}

absl::StatusOr<FolderLock> FolderLock::Acquire(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/LOCK");
  absl::StatusOr<FileDescriptor> file = OpenFile(path, O_RDWR | O_CREAT);
  if (!file.ok()) return file.status();
  const absl::Status locked = Lock(*file, LOCK_EX, directory, path);
  if (!locked.ok()) return locked;
  if (ftruncate(file->get(), 0) != 0) return FileError("truncate", path, errno);
  if (absl::Status status = WriteAt(*file, path, absl::StrCat(getpid(), "\n"), 0); !status.ok()) {
    return status;
  }
  return FolderLock(*std::move(file));
}

}  // namespace router
