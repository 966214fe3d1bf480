#include "server/pending/durable_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace router {
namespace {

constexpr size_t kCopyChunkBytes = 1 << 20;

// The folder that `path` is in.
std::string ParentOf(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  const size_t slash = end == std::string::npos ? end : path.find_last_of('/', end);
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = other.fd_;
    other.fd_ = -1;
  }
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) close(fd_);
}

absl::Status FileError(absl::string_view what, const std::string& path, int error_number) {
  const std::string message =
      absl::StrCat("cannot ", what, " ", path, ": ", strerror(error_number));
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(message);
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOTDIR:
    case EISDIR:
      return absl::FailedPreconditionError(message);
    case ENOENT:
      return absl::NotFoundError(message);
    default:
      return absl::UnavailableError(message);
  }
}

absl::StatusOr<FileDescriptor> OpenFile(const std::string& path, int flags) {
  int fd;
  do {
    fd = open(path.c_str(), flags | O_CLOEXEC, 0600);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return FileError("open", path, errno);
  return FileDescriptor(fd);
}

absl::Status WriteAt(const FileDescriptor& file, const std::string& path, absl::string_view data,
                     int64_t offset) {
  while (!data.empty()) {
    const ssize_t written = pwrite(file.get(), data.data(), data.size(), offset);
    if (written < 0) {
      if (errno == EINTR) continue;
      return FileError("write", path, errno);
    }
    data.remove_prefix(written);
    offset += written;
  }
  return absl::OkStatus();
}

absl::Status SyncDirectory(const std::string& path) {
  absl::StatusOr<FileDescriptor> directory = OpenFile(path, O_RDONLY | O_DIRECTORY);
  if (!directory.ok()) return directory.status();
  if (fsync(directory->get()) != 0) return FileError("sync", path, errno);
  return absl::OkStatus();
}

absl::Status CreateDirectories(const std::string& path) {
  std::vector<std::string> missing;
  for (std::string at = path; FileSizeBytes(at) < 0; at = ParentOf(at)) {
    missing.push_back(at);
    if (at == ParentOf(at)) break;
  }
  for (auto it = missing.rbegin(); it != missing.rend(); ++it) {
    if (mkdir(it->c_str(), 0700) != 0 && errno != EEXIST) return FileError("create", *it, errno);
    if (absl::Status status = SyncDirectory(ParentOf(*it)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

int64_t FileSizeBytes(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? static_cast<int64_t>(info.st_size) : -1;
}

absl::StatusOr<int64_t> FreeDiskBytes(const std::string& path) {
  struct statvfs info;
  if (statvfs(path.c_str(), &info) != 0) return FileError("read the free space of", path, errno);
  return static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
}

absl::Status CopyFile(const std::string& from, const std::string& to) {
  absl::StatusOr<FileDescriptor> source = OpenFile(from, O_RDONLY);
  if (!source.ok()) return source.status();
  absl::StatusOr<FileDescriptor> target = OpenFile(to, O_WRONLY | O_CREAT | O_EXCL);
  if (!target.ok()) return target.status();
  std::string chunk(kCopyChunkBytes, '\0');
  for (int64_t offset = 0;;) {
    const ssize_t got = read(source->get(), &chunk[0], chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("read", from, errno);
    if (got == 0) break;
    absl::Status status = WriteAt(*target, to, absl::string_view(chunk.data(), got), offset);
    if (!status.ok()) return status;
    offset += got;
  }
  if (fsync(target->get()) != 0) return FileError("sync", to, errno);
  return SyncDirectory(ParentOf(to));
}

absl::Status TruncateFile(const std::string& path, int64_t size_bytes) {
  if (FileSizeBytes(path) <= size_bytes) return absl::OkStatus();
  absl::StatusOr<FileDescriptor> file = OpenFile(path, O_WRONLY);
  if (!file.ok()) return file.status();
  if (ftruncate(file->get(), size_bytes) != 0) return FileError("truncate", path, errno);
  if (fsync(file->get()) != 0) return FileError("sync", path, errno);
  return absl::OkStatus();
}

}  // namespace router
