#ifndef ROUTER_SERVER_PENDING_PENDING_INBOX_H_
#define ROUTER_SERVER_PENDING_PENDING_INBOX_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/base/operation.h"

namespace router {

// What callers have handed to the writer thread of a pending queue and it has not yet taken:
// commands in the order of the calls, and calls that wait for their result. Swapped out as a whole,
// so that its vectors keep their memory. Not thread-safe.
struct PendingInbox {
  enum class Kind { kAppend, kRemove, kRelease, kInDoubt, kTrim };

  // `count` items of `operations` (kAppend) or of `sequences` (kRemove, kRelease, kInDoubt), which
  // hold those of all commands in order; or the limits of a kTrim.
  struct Command {
    Kind kind;
    size_t count = 0;
    int64_t count_max = 0;
    int64_t bytes_max = 0;
    bool keep_dropped = false;
    absl::Time since = absl::InfiniteFuture();  // kInDoubt.

    bool has_sequences() const {
      return kind == Kind::kRemove || kind == Kind::kRelease || kind == Kind::kInDoubt;
    }
  };

  // A caller that waits. Lives on its stack.
  struct Request {
    explicit Request(absl::FunctionRef<absl::Status()> work) : work(work) {}
    absl::FunctionRef<absl::Status()> work;
    absl::Status result;
    absl::Notification done;
  };

  std::vector<Command> commands;
  std::vector<Operation*> operations;
  std::vector<uint64_t> sequences;
  std::vector<Request*> requests;

  bool empty() const { return commands.empty() && requests.empty(); }

  void clear() {
    commands.clear();
    operations.clear();
    sequences.clear();
    requests.clear();
  }

  void AddAppend(absl::Span<Operation* const> added) {
    commands.push_back({Kind::kAppend, added.size()});
    operations.insert(operations.end(), added.begin(), added.end());
  }

  void AddSequences(Kind kind, absl::Span<const uint64_t> added) {
    commands.push_back({kind, added.size()});
    sequences.insert(sequences.end(), added.begin(), added.end());
  }

  void AddInDoubt(absl::Span<const uint64_t> added, absl::Time since) {
    AddSequences(Kind::kInDoubt, added);
    commands.back().since = since;
  }

  void AddTrim(int64_t count_max, int64_t bytes_max, bool keep_dropped) {
    commands.push_back({Kind::kTrim, 0, count_max, bytes_max, keep_dropped});
  }
};

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_PENDING_INBOX_H_
