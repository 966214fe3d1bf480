#include "server/mode/mode_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "server/mode/mode_json.h"
#include "server/pending/durable_file.h"

namespace router {
namespace {

// More than any state takes: what is longer is not ours.
constexpr size_t kFileBytesMax = 64 << 10;

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  absl::StatusOr<FileDescriptor> file = OpenFile(path, O_RDONLY);
  if (!file.ok()) return file.status();
  std::string content(kFileBytesMax + 1, '\0');
  size_t have = 0;
  while (have < content.size()) {
    const ssize_t got = read(file->get(), &content[have], content.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("read", path, errno);
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  content.resize(have);
  return content;
}

}  // namespace

std::string ModeFilePath(const std::string& dir) { return absl::StrCat(dir, "/fail_open.json"); }

std::string DamagedModeFilePath(const std::string& dir) {
  return absl::StrCat(ModeFilePath(dir), ".damaged");
}

absl::Status WriteModeFile(const std::string& dir, const FailOpenState& state) {
  const std::string path = ModeFilePath(dir);
  const std::string new_path = absl::StrCat(path, ".new");
  {
    absl::StatusOr<FileDescriptor> file = OpenFile(new_path, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file.ok()) return file.status();
    if (absl::Status status = WriteAt(*file, new_path, ModeToJson(state), 0); !status.ok()) {
      return status;
    }
    if (fsync(file->get()) != 0) return FileError("sync", new_path, errno);
  }
  if (rename(new_path.c_str(), path.c_str()) != 0) return FileError("replace", path, errno);
  return SyncDirectory(dir);
}

absl::StatusOr<FailOpenState> ReadModeFile(const std::string& dir) {
  const std::string path = ModeFilePath(dir);
  absl::StatusOr<std::string> content = ReadWhole(path);
  if (!content.ok()) return content.status();
  if (content->size() <= kFileBytesMax) {
    if (absl::optional<FailOpenState> state = ModeFromJson(*content)) return *std::move(state);
  }
  return absl::DataLossError(absl::StrCat(path, " does not hold a mode"));
}

absl::Status SetModeFileAside(const std::string& dir) {
  const std::string path = ModeFilePath(dir);
  if (rename(path.c_str(), DamagedModeFilePath(dir).c_str()) != 0 && errno != ENOENT) {
    return FileError("rename", path, errno);
  }
  return SyncDirectory(dir);
}

}  // namespace router
