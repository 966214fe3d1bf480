// Faults on purpose, for rehearsals and tests: each operation of a transport can be made to fail in
// each of the ways a broker fails. Compiled in always, consulted only when the router was started
// with fault injection enabled.
#ifndef ROUTER_TRANSPORTS_FAULT_INJECTOR_H_
#define ROUTER_TRANSPORTS_FAULT_INJECTOR_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

namespace router {

enum class FaultOperation { kConnect, kPublish, kPublishWithAck };
inline constexpr int kFaultOperationCount = 3;

enum class FaultKind {
  kError,            // The operation fails at once; nothing reaches the broker.
  kTimeout,          // The operation is never sent and runs into its deadline.
  kCloseConnection,  // The connection is closed during the operation.
  kDelay,            // The operation, and all behind it, is held back for `delay`.
};

struct Fault {
  FaultOperation operation = FaultOperation::kPublish;
  FaultKind kind = FaultKind::kError;
  double probability = 1.0;  // (0, 1], per operation.
  absl::Duration delay;      // kDelay only.
  int64_t remaining = -1;    // How often it still strikes; < 0: until cleared, 0: not set at all.
};

// At most one fault per operation. Thread-safe. `Draw` is one relaxed load while no fault is set.
class FaultInjector {
 public:
  void Set(const Fault& fault);
  void Clear();                     // All of them.
  std::vector<Fault> List() const;  // The ones set, by operation.
  absl::optional<Fault> Draw(
      FaultOperation operation);  // Whether this operation is to fail, and how.

 private:
  void UpdateAny() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<bool> any_{false};
  mutable absl::Mutex mutex_;
  absl::BitGen random_ ABSL_GUARDED_BY(mutex_);
  std::array<absl::optional<Fault>, kFaultOperationCount> faults_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_FAULT_INJECTOR_H_
