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

}  // namespace

absl::StatusOr<FolderLock> FolderLock::Acquire(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/LOCK");
  absl::StatusOr<FileDescriptor> file = OpenFile(path, O_RDWR | O_CREAT);
  if (!file.ok()) return file.status();
  int result;
  do {
    result = flock(file->get(), LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno == EWOULDBLOCK) {
    return absl::FailedPreconditionError(
        absl::StrCat("the folder ", directory, " is in use by the process ", ReadOwner(*file),
                     ": stop that process, or give this one a folder of its own"));
  }
  if (result != 0) return FileError("lock", path, errno);
  if (ftruncate(file->get(), 0) != 0) return FileError("truncate", path, errno);
  if (absl::Status status = WriteAt(*file, path, absl::StrCat(getpid(), "\n"), 0); !status.ok()) {
    return status;
  }
  return FolderLock(*std::move(file));
}

}  // namespace router
