#include "server/mode/mode_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cstdint>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "server/pending/durable_file.h"

namespace router {
namespace {

using Json = nlohmann::ordered_json;

// More than any state takes: what is longer is not ours.
constexpr size_t kFileBytesMax = 64 << 10;

std::string ToJson(const FailOpenState& state) {
  Json object;
  object["enabled"] = state.enabled;
  object["actor"] = state.actor;
  object["reason"] = state.reason;
  object["since"] = absl::FormatTime(absl::RFC3339_full, state.since, absl::UTCTimeZone());
  if (state.expire_time != absl::InfiniteFuture()) {
    object["expire_time"] =
        absl::FormatTime(absl::RFC3339_full, state.expire_time, absl::UTCTimeZone());
  }
  object["version"] = state.version;
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

bool GetText(const Json& object, const char* name, std::string* text) {
  const auto member = object.find(name);
  if (member == object.end() || !member->is_string()) return false;
  *text = member->get<std::string>();
  return true;
}

bool GetTime(const Json& object, const char* name, absl::Time* time) {
  std::string text;
  std::string why;
  return GetText(object, name, &text) && absl::ParseTime(absl::RFC3339_full, text, time, &why);
}

bool FromJson(absl::string_view text, FailOpenState* state) {
  const Json object = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return false;
  const auto enabled = object.find("enabled");
  const auto version = object.find("version");
  if (enabled == object.end() || !enabled->is_boolean()) return false;
  if (version == object.end() || !version->is_number_unsigned()) return false;
  if (!GetText(object, "actor", &state->actor) || !GetText(object, "reason", &state->reason) ||
      !GetTime(object, "since", &state->since)) {
    return false;
  }
  if (object.contains("expire_time") && !GetTime(object, "expire_time", &state->expire_time)) {
    return false;
  }
  state->enabled = enabled->get<bool>();
  state->version = version->get<uint64_t>();
  return true;
}

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
    if (absl::Status status = WriteAt(*file, new_path, ToJson(state), 0); !status.ok()) {
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
  FailOpenState state;
  if (content->size() > kFileBytesMax || !FromJson(*content, &state)) {
    return absl::DataLossError(absl::StrCat(path, " does not hold a mode"));
  }
  return state;
}

absl::Status SetModeFileAside(const std::string& dir) {
  const std::string path = ModeFilePath(dir);
  if (rename(path.c_str(), DamagedModeFilePath(dir).c_str()) != 0 && errno != ENOENT) {
    return FileError("rename", path, errno);
  }
  return SyncDirectory(dir);
}

}  // namespace router
