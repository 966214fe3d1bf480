#ifndef ROUTER_SERVER_FAILPOINTS_FAILPOINT_QUEUE_H_
#define ROUTER_SERVER_FAILPOINTS_FAILPOINT_QUEUE_H_

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/failpoints/failpoints.h"
#include "server/pending/sqlite_pending_queue.h"

namespace router {

// The queue on disk, with failpoints. Borrows `failpoints`, which must outlive it.
class FailpointQueue final : public SqlitePendingQueue {
 public:
  FailpointQueue(Options options, Failpoints* failpoints);
  ~FailpointQueue() override;

  absl::StatusOr<RecoveredQueue> Open(Observer* observer) override;
  void Append(absl::Span<Operation* const> operations) override;
  void Remove(absl::Span<const uint64_t> sequences) override;
  absl::StatusOr<std::vector<PendingRecord>> Claim(uint64_t after, int64_t count_max,
                                                   int64_t bytes_max) override;

 private:
  // Answers what was forgotten together with the next that was not.
  class ForgetfulObserver;

  static Options WithKills(Options options, Failpoints* failpoints);

  Failpoints* const failpoints_;
  std::unique_ptr<ForgetfulObserver> observer_;
};

}  // namespace router

#endif  // ROUTER_SERVER_FAILPOINTS_FAILPOINT_QUEUE_H_
