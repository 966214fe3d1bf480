#ifndef ROUTER_SERVER_SERVICES_DEAD_LETTERS_H_
#define ROUTER_SERVER_SERVICES_DEAD_LETTERS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/base/clock.h"
#include "server/dispatcher/dispatcher.h"
#include "server/filter/filter.h"
#include "server/pending/pending_queue.h"
#include "server/services/token_bucket.h"

namespace router {

// What an operator does with dead letters: look at them, put them back into the queue, throw them
// away. Walks them slice by slice, so that the queue's writer is never held up for longer than one
// slice takes. Thread-safe; borrows the parts.
class DeadLetters {
 public:
  struct Options {
    int64_t redrive_rate_per_second = 1000;
    int64_t queue_count_max = 1000000;
  };
  struct Page {
    std::vector<DeadLetter> dead_letters;
    std::string next_page_token;  // Empty on the last page.
  };
  struct Redriven {
    int64_t moved = 0;
    int64_t remaining = 0;  // They match, and are still dead letters.
  };

  DeadLetters(const Options& options, Clock* clock, const Dispatcher* dispatcher,
              PendingQueue* queue);

  // The next page of those that match. FILTER_INVALID, PAGE_SIZE_INVALID, PAGE_TOKEN_INVALID.
  absl::StatusOr<Page> List(absl::string_view filter, int32_t page_size,
                            absl::string_view page_token, bool with_payload) const;

  // DEAD_LETTER_NOT_FOUND where it is not there (any more).
  absl::StatusOr<DeadLetter> Get(uint64_t operation_id, bool with_payload) const;

  // Every one that matches, in order and without payloads, among those that are there now, until
  // `visit` returns an error.
  absl::Status ForEach(const Filter& filter,
                       const std::function<absl::Status(const DeadLetter&)>& visit) const;

  // Puts those that match back into the queue, in order: at most `limit`, as many as the rate
  // allows, and no more than the queue has room for. REDRIVE_RATE_LIMITED or PENDING_QUEUE_FULL
  // where some match and none could be moved. After any other error `redriven` says what was moved
  // before it.
  absl::Status Redrive(const Filter& filter, int64_t limit, Redriven* redriven)
      ABSL_LOCKS_EXCLUDED(redrive_mutex_);

  // Throws those that match away for good; `purged` counts them, also where it ends with an error.
  absl::Status Purge(const Filter& filter, int64_t* purged);

 private:
  int64_t QueueRoom() const;
  absl::Status NothingMoved(int64_t room);
  absl::Status Move(const Filter& filter, int64_t allowed, Redriven* redriven);

  const Options options_;
  const Dispatcher* const dispatcher_;
  PendingQueue* const queue_;
  TokenBucket budget_;
  absl::Mutex redrive_mutex_;  // One at a time, or two would share the same room.
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_DEAD_LETTERS_H_
