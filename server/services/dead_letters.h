#ifndef ROUTER_SERVER_SERVICES_DEAD_LETTERS_H_
#define ROUTER_SERVER_SERVICES_DEAD_LETTERS_H_

#include <cstdint>
#include <functional>
#include <map>
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
#include "transports/transport.h"

namespace router {

// Dead letters that may not be put back: publishing them would be refused today.
struct RefusedDeadLetters {
  static constexpr size_t kSampleMax = 10;
  struct Refused {
    uint64_t operation_id;
    absl::Status why;
  };

  void Add(uint64_t operation_id, absl::Status why);

  int64_t count = 0;
  std::map<std::string, int64_t> by_reason;  // By the reason of the error.
  std::vector<Refused> sample;               // The first of them.
};

// What an operator does with dead letters: look at them, put them back into the queue, throw them
// away. Walks them slice by slice, so that the queue's writer is never held up for longer than one
// slice takes. Thread-safe; borrows the parts.
class DeadLetters {
 public:
  struct Options {
    int64_t redrive_rate_per_second = 1000;
    int64_t queue_count_max = 1000000;
    int64_t message_bytes_max = 0;  // Payload and headers; 0: as many as the broker takes.
  };
  struct Page {
    std::vector<DeadLetter> dead_letters;
    std::string next_page_token;  // Empty on the last page.
  };
  struct Redriven {
    int64_t moved = 0;
    int64_t remaining = 0;       // They match, and are still dead letters.
    RefusedDeadLetters refused;  // Those of them that were looked at and may not be put back.
  };

  DeadLetters(const Options& options, Clock* clock, const Dispatcher* dispatcher,
              const Transport* transport, PendingQueue* queue);

  // How many are redriven per second from now on, at least 1.
  void SetRedriveRate(int64_t per_second) { budget_.SetRate(per_second); }

  // The next page of those that match. FILTER_INVALID, PAGE_SIZE_INVALID, PAGE_TOKEN_INVALID.
  absl::StatusOr<Page> List(absl::string_view filter, int32_t page_size,
                            absl::string_view page_token, bool with_payload) const;

  // DEAD_LETTER_NOT_FOUND where it is not there (any more).
  absl::StatusOr<DeadLetter> Get(uint64_t operation_id, bool with_payload) const;

  // Every one that matches, in order and without payloads, among those that are there now, until
  // `visit` returns an error.
  absl::Status ForEach(const Filter& filter,
                       const std::function<absl::Status(const DeadLetter&)>& visit) const;

  // The error that publishing the message would get today (see ValidateMessage): what is on the
  // disk may have been written by another version, or by another hand. Needs no payload.
  absl::Status Validate(const DeadLetter& dead_letter) const;

  // Puts those that match and are valid back into the queue, in order: at most `limit`, as many as
  // the rate allows, and no more than the queue has room for. REDRIVE_RATE_LIMITED or
  // PENDING_QUEUE_FULL where some match that could be moved and none was. After any other error
  // `redriven` says what was moved before it. `begin` is called once before the first is moved;
  // after an error of its, nothing is.
  absl::Status Redrive(const Filter& filter, int64_t limit,
                       const std::function<absl::Status()>& begin, Redriven* redriven)
      ABSL_LOCKS_EXCLUDED(redrive_mutex_);

  // Throws those that match away for good; `purged` counts them, also where it ends with an error.
  absl::Status Purge(const Filter& filter, int64_t* purged);

 private:
  int64_t QueueRoom() const;
  absl::Status NothingMoved(int64_t room);
  absl::Status Move(const Filter& filter, int64_t allowed,
                    const std::function<absl::Status()>& begin, Redriven* redriven);

  const Options options_;
  const Dispatcher* const dispatcher_;
  const Transport* const transport_;
  PendingQueue* const queue_;
  TokenBucket budget_;
  absl::Mutex redrive_mutex_;  // One at a time, or two would share the same room.
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_DEAD_LETTERS_H_
