#include "server/audit/audit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace router {
namespace {

constexpr int64_t kChunkBytes = 64 << 10;
// Longer than any event: eight texts of kAuditTextBytesMax, each byte escaped to six.
constexpr size_t kLineBytesMax = 256 << 10;

std::string FolderOf(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

// Reads exactly `size` bytes at `offset`.
absl::StatusOr<std::string> ReadAt(const FileDescriptor& file, const std::string& path,
                                   int64_t offset, int64_t size) {
  std::string data(static_cast<size_t>(size), '\0');
  size_t have = 0;
  while (have < data.size()) {
    const ssize_t got =
        pread(file.get(), &data[have], data.size() - have, offset + static_cast<int64_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("read", path, errno);
    if (got == 0) return FileError("read all of", path, EIO);
    have += static_cast<size_t>(got);
  }
  return data;
}

absl::StatusOr<int64_t> OpenFileSize(const FileDescriptor& file, const std::string& path) {
  struct stat info;
  if (fstat(file.get(), &info) != 0) return FileError("look at", path, errno);
  return static_cast<int64_t>(info.st_size);
}

}  // namespace

absl::Status AuditFile::Open(const std::string& path, bool* was_torn) {
  absl::StatusOr<FileDescriptor> file = OpenFile(path, O_RDWR | O_CREAT);
  if (!file.ok()) return file.status();
  absl::StatusOr<int64_t> size = OpenFileSize(*file, path);
  if (!size.ok()) return size.status();
  *was_torn = false;
  if (*size > 0) {
    absl::StatusOr<std::string> last = ReadAt(*file, path, *size - 1, 1);
    if (!last.ok()) return last.status();
    *was_torn = *last != "\n";
  }
  path_ = path;
  file_ = std::move(*file);
  size_bytes_ = *size;
  ends_torn_ = *was_torn;
  if (*was_torn) {
    if (absl::Status status = Append(""); !status.ok()) return status;
  }
  return SyncDirectory(FolderOf(path));
}

absl::Status AuditFile::Rename(const std::string& path) {
  if (rename(path_.c_str(), path.c_str()) != 0) return FileError("rename", path_, errno);
  path_ = path;
  return absl::OkStatus();
}

absl::Status AuditFile::Append(absl::string_view line) {
  const std::string data = absl::StrCat(ends_torn_ ? "\n" : "", line);
  absl::Status status = WriteAt(file_, path_, data, size_bytes_);
  if (status.ok() && fdatasync(file_.get()) != 0) status = FileError("sync", path_, errno);
  if (status.ok()) {
    size_bytes_ += static_cast<int64_t>(data.size());
    ends_torn_ = false;
    return status;
  }
  // Whoever asked is told that the event is not in the log, so it must not turn up in it.
  if (ftruncate(file_.get(), size_bytes_) != 0) {
    absl::StatusOr<int64_t> size = OpenFileSize(file_, path_);
    if (size.ok() && *size > size_bytes_) {
      size_bytes_ = *size;
      ends_torn_ = true;
    }
  }
  return status;
}

absl::Status BackwardLineReader::Open(const std::string& path) {
  path_ = path;
  absl::StatusOr<FileDescriptor> file = OpenFile(path, O_RDONLY);
  if (absl::IsNotFound(file.status())) return absl::OkStatus();
  if (!file.ok()) return file.status();
  absl::StatusOr<int64_t> size = OpenFileSize(*file, path);
  if (!size.ok()) return size.status();
  file_ = std::move(*file);
  unread_bytes_ = *size;
  return absl::OkStatus();
}

absl::StatusOr<bool> BackwardLineReader::Next(std::string* line) {
  while (true) {
    // The newline that ends the buffer ends the line that is wanted.
    const size_t end = buffer_.size() - (!buffer_.empty() && buffer_.back() == '\n' ? 1 : 0);
    const size_t newline = end == 0 ? std::string::npos : buffer_.rfind('\n', end - 1);
    if (newline != std::string::npos) {
      *line = buffer_.substr(newline + 1, end - newline - 1);
      buffer_.resize(newline + 1);
      return true;
    }
    if (unread_bytes_ == 0 || buffer_.size() > kLineBytesMax) {
      if (buffer_.empty()) return false;
      *line = buffer_.substr(0, end);
      buffer_.clear();
      return true;
    }
    if (absl::Status status = ReadChunk(); !status.ok()) return status;
  }
}

absl::Status BackwardLineReader::ReadChunk() {
  const int64_t size = std::min(unread_bytes_, kChunkBytes);
  absl::StatusOr<std::string> chunk = ReadAt(file_, path_, unread_bytes_ - size, size);
  if (!chunk.ok()) return chunk.status();
  unread_bytes_ -= size;
  buffer_.insert(0, *chunk);
  return absl::OkStatus();
}

}  // namespace router
