// A SQLite queue in a folder, with what a test wants to know of it.
#ifndef ROUTER_TESTS_SERVER_PENDING_SQLITE_QUEUE_TESTING_H_
#define ROUTER_TESTS_SERVER_PENDING_SQLITE_QUEUE_TESTING_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/pending/sqlite_pending_queue.h"
#include "tests/server/base/fake_clock.h"
#include "tests/server/pending/pending_testing.h"

namespace router {

// Errors reported through on_error. Thread-safe.
class ErrorLog {
 public:
  void Add(absl::string_view op, const std::string& error);
  int Count(absl::string_view op) const;
  int size() const;
  std::string ToString() const;

 private:
  mutable absl::Mutex mutex_;
  std::vector<std::pair<std::string, std::string>> errors_ ABSL_GUARDED_BY(mutex_);
};

class SqliteQueueTest : public ::testing::Test {
 protected:
  SqliteQueueTest() : directory_(folder_.path() + "/queue") {
    options_.directory = directory_;
    options_.min_free_disk_bytes = 0;
    options_.clock = &clock_;
    options_.on_error = [this](absl::string_view op, const std::string& error) {
      errors_.Add(op, error);
    };
  }

  // Opens a queue on options_; the one before is closed.
  absl::Status TryOpen();
  void Open() {
    const absl::Status status = TryOpen();
    ASSERT_TRUE(status.ok()) << status;
  }

  void Append(const std::vector<Operation*>& operations) {
    AppendAll(queue_.get(), &observer_, operations);
  }

  // Appends and returns what the callers are told.
  absl::Status AppendOne(Operation* operation);
  absl::Status AppendOne() { return AppendOne(pool_.Make({})); }

  std::vector<PendingRecord> Claim(int64_t count_max = 1000);
  std::vector<PendingRecord> Scan(uint64_t after = 0);
  bool WaitUntilHealthy() {
    return Eventually([this] { return queue_->GetStats().healthy; });
  }

  std::string db_path() const { return directory_ + "/pending.db"; }
  std::string log_path() const { return directory_ + "/pending.db-wal"; }
  std::string mark_path() const { return directory_ + "/high_water_mark"; }

  // The files as a crash would leave them now, under another folder.
  void CopyFiles(const std::string& to) const;

  TemporaryFolder folder_;
  const std::string directory_;
  FakeClock clock_;
  ErrorLog errors_;
  SqlitePendingQueue::Options options_;
  OperationPool pool_;
  RecordingObserver observer_;
  RecoveredQueue recovered_;
  std::unique_ptr<SqlitePendingQueue> queue_;
};

// Turns over the bits of one byte.
void FlipByte(const std::string& path, int64_t offset);
std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& content);

}  // namespace router

#endif  // ROUTER_TESTS_SERVER_PENDING_SQLITE_QUEUE_TESTING_H_
