#include "server/failpoints/failpoint_queue.h"

#include <utility>

namespace router {

class FailpointQueue::ForgetfulObserver : public PendingQueue::Observer {
 public:
  explicit ForgetfulObserver(Observer* observer) : observer_(observer) {}

  void Forget(Operation* operation) {
    absl::MutexLock lock(&mutex_);
    forgotten_.push_back(operation);
  }

  void OnAppended(absl::Span<Operation* const> operations, const absl::Status& status) override {
    const uint64_t last_id = operations.back()->operation_id;
    observer_->OnAppended(operations, status);
    std::vector<Operation*> forgotten;
    {
      absl::MutexLock lock(&mutex_);
      forgotten.swap(forgotten_);
    }
    for (Operation* operation : forgotten) operation->operation_id = last_id;
    if (!forgotten.empty()) observer_->OnAppended(forgotten, absl::OkStatus());
  }

  void OnRemoved(absl::Span<const RemovedRecord> records, RemovalCause cause) override {
    observer_->OnRemoved(records, cause);
  }
  void OnRedriven(absl::Span<const RemovedRecord> records) override {
    observer_->OnRedriven(records);
  }
  void OnDeadLettersRemoved(absl::Span<const RemovedRecord> records,
                            RemovalCause cause) override {
    observer_->OnDeadLettersRemoved(records, cause);
  }

 private:
  Observer* const observer_;
  absl::Mutex mutex_;
  std::vector<Operation*> forgotten_ ABSL_GUARDED_BY(mutex_);
};

FailpointQueue::FailpointQueue(Options options, Failpoints* failpoints)
    : SqlitePendingQueue(WithKills(std::move(options), failpoints)), failpoints_(failpoints) {}

FailpointQueue::~FailpointQueue() { Close(); }

SqlitePendingQueue::Options FailpointQueue::WithKills(Options options, Failpoints* failpoints) {
  options.before_commit = [failpoints] { failpoints->Kill(Failpoint::kKillBeforeFsync); };
  options.on_commit = [failpoints, on_commit = options.on_commit](absl::Duration sync_duration) {
    failpoints->Kill(Failpoint::kKillAfterFsync);
    if (on_commit) on_commit(sync_duration);
  };
  return options;
}

absl::StatusOr<RecoveredQueue> FailpointQueue::Open(Observer* observer) {
  observer_ = std::make_unique<ForgetfulObserver>(observer);
  return SqlitePendingQueue::Open(observer_.get());
}

void FailpointQueue::Append(absl::Span<Operation* const> operations) {
  // One that is appended alone is kept: the others are answered together with it.
  if (operations.size() > 1 && failpoints_->Strikes(Failpoint::kForgetAppend)) {
    observer_->Forget(operations.back());
    operations.remove_suffix(1);
  }
  SqlitePendingQueue::Append(operations);
}

void FailpointQueue::Remove(absl::Span<const uint64_t> sequences) {
  if (!sequences.empty()) failpoints_->Kill(Failpoint::kKillBeforeDelete);
  SqlitePendingQueue::Remove(sequences);
}

absl::StatusOr<std::vector<PendingRecord>> FailpointQueue::Claim(uint64_t after, int64_t count_max,
                                                                 int64_t bytes_max) {
  absl::StatusOr<std::vector<PendingRecord>> records =
      SqlitePendingQueue::Claim(after, count_max, bytes_max);
  if (!records.ok()) return records;
  for (const PendingRecord& record : *records) {
    if (failpoints_->Strikes(Failpoint::kDeleteFirst)) {
      SqlitePendingQueue::Remove({record.sequence});
    }
  }
  return records;
}

}  // namespace router
