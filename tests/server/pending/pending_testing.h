// What tests of pending queues share: operations that own their bytes, an observer that remembers,
// temporary folders.
#ifndef ROUTER_TESTS_SERVER_PENDING_PENDING_TESTING_H_
#define ROUTER_TESTS_SERVER_PENDING_PENDING_TESTING_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/base/operation.h"
#include "server/pending/pending_queue.h"

namespace router {

constexpr absl::Duration kTestDeadline = absl::Seconds(30);

// What a test says about an operation; OperationPool makes it one.
struct OperationSpec {
  std::string subject = "orders.eu";
  std::string payload = "payload";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string message_id = "id";
  bool caller_chose_id = false;
  std::string ordering_key;  // Empty: the subject.
  Guarantee guarantee = Guarantee::kStored;
  absl::Time accept_time = absl::FromUnixMillis(1767225600123);
  absl::Time expire_time = absl::InfiniteFuture();
  absl::Time first_sent_time = absl::InfiniteFuture();
};

// Owns operations and the bytes they point to. Not thread-safe.
class OperationPool {
 public:
  Operation* Make(const OperationSpec& spec);
  // `count` operations with the payloads "0", "1", … on one subject.
  std::vector<Operation*> MakeMany(int count, const std::string& subject = "orders.eu");

 private:
  struct Owned {
    OperationSpec spec;
    std::vector<Header> headers;
    Operation operation;
  };
  std::deque<Owned> owned_;
};

// Thread-safe.
class RecordingObserver : public PendingQueue::Observer {
 public:
  struct Answer {
    Operation* operation;
    absl::Status status;
    uint64_t operation_id;
  };
  struct Removal {
    RemovedRecord record;
    RemovalCause cause;
  };

  void OnAppended(absl::Span<Operation* const> operations, const absl::Status& status) override;
  void OnRemoved(absl::Span<const RemovedRecord> records, RemovalCause cause) override;
  void OnRedriven(absl::Span<const RemovedRecord> records) override;
  void OnDeadLettersRemoved(absl::Span<const RemovedRecord> records, RemovalCause cause) override;

  // Waits until `count` operations are answered, or the deadline; returns the answers so far.
  std::vector<Answer> WaitForAnswers(size_t count);
  std::vector<Removal> WaitForRemovals(size_t count);
  std::vector<Answer> answers() { return WaitForAnswers(0); }
  std::vector<Removal> removals() { return WaitForRemovals(0); }
  std::vector<RemovedRecord> redriven();
  std::vector<Removal> dead_letter_removals();

 private:
  absl::Mutex mutex_;
  std::vector<Answer> answers_ ABSL_GUARDED_BY(mutex_);
  std::vector<Removal> removals_ ABSL_GUARDED_BY(mutex_);
  std::vector<RemovedRecord> redriven_ ABSL_GUARDED_BY(mutex_);
  std::vector<Removal> dead_letter_removals_ ABSL_GUARDED_BY(mutex_);
};

// A fresh folder, deleted with everything in it at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Appends and waits; the statuses must all be OK.
void AppendAll(PendingQueue* queue, RecordingObserver* observer,
               const std::vector<Operation*>& operations);

std::vector<uint64_t> SequencesOf(const std::vector<PendingRecord>& records);
std::vector<std::string> PayloadsOf(const std::vector<PendingRecord>& records);

// Asks until `condition` holds; false at the deadline.
bool Eventually(const std::function<bool()>& condition);

}  // namespace router

#endif  // ROUTER_TESTS_SERVER_PENDING_PENDING_TESTING_H_
