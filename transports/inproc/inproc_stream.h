#ifndef ROUTER_TRANSPORTS_INPROC_INPROC_STREAM_H_
#define ROUTER_TRANSPORTS_INPROC_INPROC_STREAM_H_

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "transports/inproc/inproc_options.h"
#include "transports/message.h"
#include "transports/transport.h"

namespace router {

// One message as the stream keeps it.
struct InprocStoredMessage {
  uint64_t sequence = 0;
  std::string subject;
  std::string payload;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string message_id;  // Empty where the message was sent without one.
};

// The broker's half of the in-process transport: one stream in memory that takes every subject,
// numbers messages from 1 and tells duplicates by message id, as a JetStream stream does.
//
// Bounded: past `messages_max` or `bytes_max` the oldest messages are dropped, past
// `duplicates_max` the oldest ids are forgotten. Thread-safe. Store is O(1) amortised.
class InprocStream {
 public:
  struct StoreResult {
    bool too_large = false;  // Payload and headers exceed `max_payload_bytes`; not stored.
    bool duplicate = false;  // Stored before, as `sequence`; not stored again.
    uint64_t sequence = 0;
  };

  explicit InprocStream(const InprocOptions& options);

  // Copies everything it keeps. `now` must not go backwards.
  StoreResult Store(const Message& message, SteadyTime now);

  // What is kept, oldest first.
  std::vector<InprocStoredMessage> Messages() const;

 private:
  struct RememberedId {
    SteadyTime expires;
    std::string message_id;
  };

  void ForgetIds(SteadyTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Append(const Message& message, bool has_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int64_t messages_max_;
  const int64_t bytes_max_;
  const int64_t max_payload_bytes_;
  const int64_t duplicates_max_;
  const std::chrono::nanoseconds duplicate_window_;

  mutable absl::Mutex mutex_;
  std::deque<InprocStoredMessage> messages_ ABSL_GUARDED_BY(mutex_);
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t last_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, uint64_t> sequence_by_id_ ABSL_GUARDED_BY(mutex_);
  std::deque<RememberedId> remembered_ids_ ABSL_GUARDED_BY(mutex_);  // Oldest first.
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_INPROC_INPROC_STREAM_H_
