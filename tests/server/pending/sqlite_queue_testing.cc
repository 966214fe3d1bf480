#include "tests/server/pending/sqlite_queue_testing.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace router {

void ErrorLog::Add(absl::string_view op, const std::string& error) {
  absl::MutexLock lock(&mutex_);
  errors_.emplace_back(std::string(op), error);
}

int ErrorLog::Count(absl::string_view op) const {
  absl::MutexLock lock(&mutex_);
  int count = 0;
  for (const auto& error : errors_) count += error.first == op ? 1 : 0;
  return count;
}

int ErrorLog::size() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(errors_.size());
}

std::string ErrorLog::ToString() const {
  absl::MutexLock lock(&mutex_);
  std::string text;
  for (const auto& [op, error] : errors_) absl::StrAppend(&text, op, ": ", error, "\n");
  return text;
}

absl::Status SqliteQueueTest::TryOpen() {
  queue_.reset();
  queue_ = std::make_unique<SqlitePendingQueue>(options_);
  absl::StatusOr<RecoveredQueue> recovered = queue_->Open(&observer_);
  if (recovered.ok()) recovered_ = *std::move(recovered);
  return recovered.status();
}

absl::Status SqliteQueueTest::AppendOne(Operation* operation) {
  const size_t before = observer_.answers().size();
  queue_->Append({operation});
  const auto answers = observer_.WaitForAnswers(before + 1);
  if (answers.size() != before + 1) return absl::DeadlineExceededError("no answer");
  return answers.back().status;
}

std::vector<PendingRecord> SqliteQueueTest::Claim(int64_t count_max) {
  absl::StatusOr<std::vector<PendingRecord>> records = queue_->Claim(0, count_max, 1 << 30);
  EXPECT_TRUE(records.ok()) << records.status();
  return records.ok() ? *std::move(records) : std::vector<PendingRecord>();
}

std::vector<PendingRecord> SqliteQueueTest::Scan(uint64_t after) {
  absl::StatusOr<std::vector<PendingRecord>> records = queue_->Scan(after, 100000, true);
  EXPECT_TRUE(records.ok()) << records.status();
  return records.ok() ? *std::move(records) : std::vector<PendingRecord>();
}

void SqliteQueueTest::CopyFiles(const std::string& to) const {
  std::filesystem::remove_all(to);
  std::filesystem::create_directories(to);
  for (const char* name : {"pending.db", "pending.db-wal", "high_water_mark"}) {
    const std::string from = absl::StrCat(directory_, "/", name);
    if (std::filesystem::exists(from)) {
      std::filesystem::copy_file(from, absl::StrCat(to, "/", name));
    }
  }
}

void FlipByte(const std::string& path, int64_t offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(offset);
  const char byte = static_cast<char>(file.get());
  file.seekp(offset);
  file.put(static_cast<char>(~byte));
  ASSERT_TRUE(file.good()) << path;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  ASSERT_TRUE(file.good()) << path;
}

}  // namespace router
