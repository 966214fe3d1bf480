#ifndef ROUTER_SERVER_PENDING_HIGH_WATER_MARK_H_
#define ROUTER_SERVER_PENDING_HIGH_WATER_MARK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "server/pending/durable_file.h"

namespace router {

// How far the queue has come, in a file beside the database. A damaged write-ahead log makes SQLite
// forget every commit behind the damage without a word; a database that is behind its mark tells.
//
// Two slots are written in turn, each with a checksum, so that a write that is cut short leaves the
// other one. One thread at a time.
class HighWaterMark {
 public:
  struct Position {
    uint64_t commit_number = 0;
    uint64_t last_sequence = 0;
    int64_t record_count = kUnknown;    // Records in the queue.
    int64_t format_version = kUnknown;  // Of the database.

    static constexpr int64_t kUnknown = -1;  // In files of version 1.
  };

  explicit HighWaterMark(std::string path) : path_(std::move(path)) {}

  // What was last written. Empty where there is no file, or none of its slots can be read.
  absl::optional<Position> Read() const;

  // Records `position`. With `sync` it survives a power cut; without, the death of this process.
  // After an error the next call writes a new file: a failed sync is never tried again.
  absl::Status Write(const Position& position, bool sync);

 private:
  absl::Status Replace(const Position& position);

  const std::string path_;
  FileDescriptor file_;  // Open from the first Write on.
  int next_slot_ = 0;
};

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_HIGH_WATER_MARK_H_
