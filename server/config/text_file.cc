#include "server/config/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace router {

absl::StatusOr<std::string> ReadTextFile(const std::string& path) {
  constexpr size_t kBytesMax = 1024 * 1024;
  // O_NONBLOCK: a pipe without a writer must not hang the start.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    return absl::NotFoundError(absl::StrCat("cannot read \"", path, "\": ", strerror(errno)));
  }
  const auto close_file = absl::MakeCleanup([file] { close(file); });
  std::string text;
  char buffer[16384];
  while (text.size() <= kBytesMax) {
    const ssize_t count = read(file, buffer, sizeof(buffer));
    if (count == 0) return text;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("cannot read \"", path, "\": ", strerror(errno)));
    }
    text.append(buffer, static_cast<size_t>(count));
  }
  return absl::InvalidArgumentError(absl::StrCat("\"", path, "\" is larger than 1 MiB"));
}

}  // namespace router
