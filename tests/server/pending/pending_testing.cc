#include "tests/server/pending/pending_testing.h"

#include <stdlib.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace router {

Operation* OperationPool::Make(const OperationSpec& spec) {
  Owned& owned = owned_.emplace_back();
  owned.spec = spec;
  for (const auto& [key, value] : owned.spec.headers) owned.headers.push_back({key, value});
  Operation& operation = owned.operation;
  operation.message.subject = owned.spec.subject;
  operation.message.payload = owned.spec.payload;
  operation.message.headers = owned.headers;
  operation.message.message_id = owned.spec.message_id;
  operation.message.caller_chose_id = spec.caller_chose_id;
  operation.message.guarantee = spec.guarantee;
  operation.ordering_key =
      owned.spec.ordering_key.empty() ? owned.spec.subject : owned.spec.ordering_key;
  operation.key_hash = HashOrderingKey(operation.ordering_key);
  operation.size_bytes = OperationSize(operation.message, operation.ordering_key);
  operation.accept_time = spec.accept_time;
  operation.expire_time = spec.expire_time;
  operation.first_sent_time = spec.first_sent_time;
  if (spec.caller_chose_id) {
    operation.content_hash = HashContent(operation.message, operation.ordering_key);
  }
  return &operation;
}

std::vector<Operation*> OperationPool::MakeMany(int count, const std::string& subject) {
  std::vector<Operation*> operations;
  OperationSpec spec;
  spec.subject = subject;
  for (int i = 0; i < count; ++i) {
    spec.payload = absl::StrCat(i);
    spec.message_id = absl::StrCat("id-", i);
    operations.push_back(Make(spec));
  }
  return operations;
}

void RecordingObserver::OnAppended(absl::Span<Operation* const> operations,
                                   const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  for (Operation* operation : operations) {
    answers_.push_back({operation, status, operation->operation_id});
  }
}

void RecordingObserver::OnRemoved(absl::Span<const RemovedRecord> records, RemovalCause cause) {
  absl::MutexLock lock(&mutex_);
  for (const RemovedRecord& record : records) removals_.push_back({record, cause});
}

void RecordingObserver::OnRedriven(absl::Span<const RemovedRecord> records) {
  absl::MutexLock lock(&mutex_);
  redriven_.insert(redriven_.end(), records.begin(), records.end());
}

void RecordingObserver::OnDeadLettersRemoved(absl::Span<const RemovedRecord> records,
                                             RemovalCause cause) {
  absl::MutexLock lock(&mutex_);
  for (const RemovedRecord& record : records) dead_letter_removals_.push_back({record, cause});
}

std::vector<RemovedRecord> RecordingObserver::redriven() {
  absl::MutexLock lock(&mutex_);
  return redriven_;
}

std::vector<RecordingObserver::Removal> RecordingObserver::dead_letter_removals() {
  absl::MutexLock lock(&mutex_);
  return dead_letter_removals_;
}

std::vector<RecordingObserver::Answer> RecordingObserver::WaitForAnswers(size_t count) {
  absl::MutexLock lock(&mutex_);
  const auto enough = [this, count]()
                          ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return answers_.size() >= count; };
  mutex_.AwaitWithTimeout(absl::Condition(&enough), kTestDeadline);
  return answers_;
}

std::vector<RecordingObserver::Removal> RecordingObserver::WaitForRemovals(size_t count) {
  absl::MutexLock lock(&mutex_);
  const auto enough = [this, count]()
                          ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return removals_.size() >= count; };
  mutex_.AwaitWithTimeout(absl::Condition(&enough), kTestDeadline);
  return removals_;
}

TemporaryFolder::TemporaryFolder() {
  const char* const base = getenv("TEST_TMPDIR");
  path_ = absl::StrCat(base == nullptr ? "/tmp" : base, "/pending-XXXXXX");
  if (mkdtemp(&path_[0]) == nullptr) ADD_FAILURE() << "cannot create " << path_;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void AppendAll(PendingQueue* queue, RecordingObserver* observer,
               const std::vector<Operation*>& operations) {
  const size_t before = observer->answers().size();
  queue->Append(operations);
  const auto answers = observer->WaitForAnswers(before + operations.size());
  ASSERT_EQ(answers.size(), before + operations.size());
  for (size_t i = before; i < answers.size(); ++i) {
    ASSERT_TRUE(answers[i].status.ok()) << answers[i].status;
  }
}

std::vector<uint64_t> SequencesOf(const std::vector<PendingRecord>& records) {
  std::vector<uint64_t> sequences;
  for (const PendingRecord& record : records) sequences.push_back(record.sequence);
  return sequences;
}

std::vector<std::string> PayloadsOf(const std::vector<PendingRecord>& records) {
  std::vector<std::string> payloads;
  for (const PendingRecord& record : records) payloads.push_back(record.payload);
  return payloads;
}

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + kTestDeadline;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return true;
}

}  // namespace router
