// Failpoints are named places at which a test can have the router killed, or have it do a wrong
// thing on purpose to see that the test notices. For tests only: the setting `failpoints` is
// refused without `enable_fault_injection`, and without it nothing of this is in the way of any
// message.
#ifndef ROUTER_SERVER_FAILPOINTS_FAILPOINTS_H_
#define ROUTER_SERVER_FAILPOINTS_FAILPOINTS_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"

namespace router {

// A place, and what happens there.
enum class Failpoint {
  // The process is killed, as by kill -9.
  kKillBeforeFsync,   // "before_fsync=kill": rows are appended, and not committed.
  kKillAfterFsync,    // "after_fsync=kill": they are committed, and nobody has been told.
  kKillAfterPublish,  // "after_publish=kill": messages are with the transport, without an ack.
  kKillBeforeSettle,  // "before_settle=kill": the ack is there, the router has not seen it.
  kKillBeforeDelete,  // "before_delete=kill": a queued message is acked, its row is still there.

  // Planted bugs.
  kForgetAppend,    // "append=forget": QUEUED is told, and nothing is written.
  kDeleteFirst,     // "redeliver=delete_first": the row goes before the ack is there.
  kNewId,           // "redeliver=new_id": a queued message is sent with another message id.
  kDoNotLook,       // "redeliver=do_not_look": what may be in the stream is sent without a search.
  kSwap,            // "publish=swap": two messages of a key change places.
  kForgetSettled,   // "settle=forget": the caller is never answered.
  kConfirmInDoubt,  // "connection_end=confirm": what was in doubt is told DELIVERED.
};
inline constexpr int kFailpointCount = 12;

// When a failpoint strikes.
struct FailpointRule {
  Failpoint failpoint = Failpoint::kKillBeforeFsync;
  double probability = 1.0;  // Each time.
  int64_t nth_time = 0;      // > 0: at this passing only, counted from 1.
};

// Rules separated by commas: "after_fsync=kill", with "@0.01" for a probability or "#100" for the
// hundredth time behind it. INVALID_ARGUMENT names what there is.
absl::StatusOr<std::vector<FailpointRule>> ParseFailpoints(absl::string_view text);

// Thread-safe.
class Failpoints {
 public:
  explicit Failpoints(absl::Span<const FailpointRule> rules);

  // Whether this passing of the place is one at which it strikes.
  bool Strikes(Failpoint failpoint);

  // Kills the process where it strikes.
  void Kill(Failpoint failpoint);

 private:
  struct State {
    FailpointRule rule;
    int64_t passings = 0;
  };

  absl::Mutex mutex_;
  absl::BitGen random_ ABSL_GUARDED_BY(mutex_);
  std::array<absl::optional<State>, kFailpointCount> states_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace router

#endif  // ROUTER_SERVER_FAILPOINTS_FAILPOINTS_H_
