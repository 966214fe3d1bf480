#include "server/pending/damage_log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "server/pending/durable_file.h"

namespace router {

void AddFinding(absl::string_view line, QueueDamage* damage) {
  const std::vector<absl::string_view> fields = absl::StrSplit(line, '\t');
  absl::Time time;
  int64_t records = 0;
  if (fields.size() < 2 || !absl::ParseTime(absl::RFC3339_full, fields[0], &time, nullptr) ||
      !absl::SimpleAtoi(fields[1], &records) || records < 0) {
    return;
  }
  damage->since = std::min(damage->since, time);
  damage->records += std::min(records, std::numeric_limits<int64_t>::max() - damage->records);
}

void DamageLog::Open() {
  std::ifstream file(path_);
  if (!file) return;
  is_written_ = true;
  QueueDamage damage;
  damage.log_path = path_;
  for (std::string line; std::getline(file, line);) AddFinding(line, &damage);
  // A file that people have written to still says that something is wrong.
  if (damage.since == absl::InfiniteFuture()) damage.since = absl::UnixEpoch();
  absl::MutexLock lock(&mutex_);
  damage_ = std::move(damage);
}

absl::Status DamageLog::Add(absl::Time now, int64_t records, absl::string_view what) {
  Refresh();
  {
    absl::MutexLock lock(&mutex_);
    if (!damage_.any()) damage_.since = now;
    damage_.log_path = path_;
    damage_.records += records;
  }
  absl::Status status = Append(
      absl::StrCat(absl::FormatTime(absl::RFC3339_full, now, absl::UTCTimeZone()), "\t", records,
                   "\t", absl::StrReplaceAll(what, {{"\n", " "}, {"\t", " "}}), "\n"));
  is_written_ = status.ok();
  return status;
}

QueueDamage DamageLog::Get() const {
  absl::MutexLock lock(&mutex_);
  return damage_;
}

absl::Status DamageLog::Append(const std::string& line) const {
  const int64_t size_bytes = std::max<int64_t>(0, FileSizeBytes(path_));
  absl::StatusOr<FileDescriptor> file = OpenFile(path_, O_WRONLY | O_CREAT);
  if (!file.ok()) return file.status();
  absl::Status status = WriteAt(*file, path_, line, size_bytes);
  if (!status.ok()) return status;
  if (fsync(file->get()) != 0) return FileError("sync", path_, errno);
  return SyncDirectory(path_.substr(0, path_.find_last_of('/')));
}

void DamageLog::Refresh() {
  if (!is_written_ || FileSizeBytes(path_) >= 0) return;
  is_written_ = false;
  absl::MutexLock lock(&mutex_);
  damage_ = QueueDamage();
}

}  // namespace router
