#include "server/pending/high_water_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace router {
namespace {

constexpr char kMagic1[8] = {'R', 'T', 'R', 'M', 'A', 'R', 'K', '1'};
constexpr char kMagic[8] = {'R', 'T', 'R', 'M', 'A', 'R', 'K', '2'};
constexpr int64_t kSlotDistanceBytes = 4096;  // No block of the disk holds both.
constexpr int kSlots = 2;

struct Slot {
  char magic[8];
  uint64_t commit_number;
  uint64_t last_sequence;
  int64_t record_count;
  int64_t format_version;
  uint64_t checksum;  // XXH3 of what stands before it.
};

// Version 1 had the checksum in the place of the count.
constexpr size_t kBytes1 = offsetof(Slot, record_count);

Slot MakeSlot(const HighWaterMark::Position& position) {
  Slot slot;
  memcpy(slot.magic, kMagic, sizeof(kMagic));
  slot.commit_number = position.commit_number;
  slot.last_sequence = position.last_sequence;
  slot.record_count = position.record_count;
  slot.format_version = position.format_version;
  slot.checksum = XXH3_64bits(&slot, offsetof(Slot, checksum));
  return slot;
}

absl::string_view BytesOf(const Slot& slot) {
  return absl::string_view(reinterpret_cast<const char*>(&slot), sizeof(slot));
}

absl::optional<HighWaterMark::Position> PositionIn(const Slot& slot) {
  if (memcmp(slot.magic, kMagic, sizeof(kMagic)) == 0 &&
      slot.checksum == XXH3_64bits(&slot, offsetof(Slot, checksum))) {
    return HighWaterMark::Position{slot.commit_number, slot.last_sequence, slot.record_count,
                                   slot.format_version};
  }
  if (memcmp(slot.magic, kMagic1, sizeof(kMagic1)) == 0 &&
      static_cast<uint64_t>(slot.record_count) == XXH3_64bits(&slot, kBytes1)) {
    return HighWaterMark::Position{slot.commit_number, slot.last_sequence};
  }
  return absl::nullopt;
}

}  // namespace

absl::optional<HighWaterMark::Position> HighWaterMark::Read() const {
  absl::optional<Position> newest;
  absl::StatusOr<FileDescriptor> file = OpenFile(path_, O_RDONLY);
  if (!file.ok()) return newest;
  for (int i = 0; i < kSlots; ++i) {
    Slot slot = {};
    if (pread(file->get(), &slot, sizeof(slot), i * kSlotDistanceBytes) < 0) continue;
    const absl::optional<Position> found = PositionIn(slot);
    if (!found.has_value()) continue;
    if (!newest.has_value() || newest->commit_number <= found->commit_number) newest = found;
  }
  return newest;
}

absl::Status HighWaterMark::Write(const Position& position, bool sync) {
  if (!file_.is_open()) return Replace(position);
  const Slot slot = MakeSlot(position);
  absl::Status status = WriteAt(file_, path_, BytesOf(slot), next_slot_ * kSlotDistanceBytes);
  if (status.ok() && sync && fdatasync(file_.get()) != 0) status = FileError("sync", path_, errno);
  if (!status.ok()) {
    file_ = FileDescriptor();
    return status;
  }
  next_slot_ = (next_slot_ + 1) % kSlots;
  return absl::OkStatus();
}

absl::Status HighWaterMark::Replace(const Position& position) {
  const std::string next_path = absl::StrCat(path_, ".new");
  absl::StatusOr<FileDescriptor> file = OpenFile(next_path, O_RDWR | O_CREAT | O_TRUNC);
  if (!file.ok()) return file.status();
  const Slot slot = MakeSlot(position);
  for (int i = 0; i < kSlots; ++i) {
    absl::Status status = WriteAt(*file, next_path, BytesOf(slot), i * kSlotDistanceBytes);
    if (!status.ok()) return status;
  }
  if (fsync(file->get()) != 0) return FileError("sync", next_path, errno);
  if (rename(next_path.c_str(), path_.c_str()) != 0) return FileError("rename", next_path, errno);
  absl::Status status = SyncDirectory(path_.substr(0, path_.find_last_of('/')));
  if (status.ok()) file_ = *std::move(file);
  return status;
}

}  // namespace router
