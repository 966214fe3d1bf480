// StreamPublisher publishes many messages at full speed over one stream to a router.
//
//   router::client::StreamPublisher publisher(router::client::MakeChannel({}), {});
//   for (router::v1::Message& message : messages) {
//     absl::Status taken = publisher.Publish(
//         std::move(message), [](const router::v1::Message& message,
//                                absl::StatusOr<router::v1::PublishResult> result) { ... });
//     if (!taken.ok()) ...  // Not taken: the window stayed full.
//   }
//   publisher.Flush(absl::Seconds(30));
//
// It gathers messages into frames (by time, count and bytes), matches the router's answers to the
// messages, and keeps every message until it is answered. When the stream breaks it opens another
// one, on whatever router the channel finds, and sends again what is unanswered, in the old order,
// ahead of everything newer and with the same message ids. So every message is answered, and none
// is published twice as long as the router or the broker still knows its id.
//
// What it promises:
// - Every message that Publish took is answered exactly once, at the latest after `answer_timeout`
// or
//   in the destructor.
// - Messages with the same ordering key reach the router in the order in which they were published.
// - Memory is bounded: `window_messages_max` and `window_bytes_max` cover everything between
// Publish
//   and the end of the callback.
#ifndef ROUTER_CLIENTS_CPP_STREAM_PUBLISHER_H_
#define ROUTER_CLIENTS_CPP_STREAM_PUBLISHER_H_

#include <cstdint>
#include <functional>
#include <future>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "router/v1/publisher.grpc.pb.h"

namespace router::client {

struct StreamPublisherOptions {
  // A frame is sent when its first message has waited this long, or when it is full.
  absl::Duration linger = absl::Milliseconds(2);
  int frame_messages_max = 1'000;         // At most 10,000.
  int64_t frame_bytes_max = 1 << 20;      // A larger message has a frame of its own.
  int64_t message_bytes_max = 4'000'000;  // The router's limit of a frame is 4 MiB.

  // The window: what is published and not answered yet.
  int64_t window_messages_max = 100'000;
  int64_t window_bytes_max = 64 << 20;
  // How long Publish waits for room in a full window. Zero: it refuses at once.
  absl::Duration full_window_wait = absl::Seconds(30);

  // A message without an answer after this long is answered DEADLINE_EXCEEDED, and a stream that
  // owes the answer is given up.
  absl::Duration answer_timeout = absl::Seconds(60);

  // Between two streams that brought no answer; doubles from the first to the second.
  absl::Duration reopen_delay_min = absl::Milliseconds(100);
  absl::Duration reopen_delay_max = absl::Seconds(5);
};

struct StreamPublisherStats {
  int64_t window_messages = 0;  // Published and not answered yet.
  int64_t window_bytes = 0;
  int64_t streams_opened = 0;
  int64_t messages_resent = 0;
};

// Told what came of a message. `message` is the one that was published, with its message id.
//
// A result that is OK is DELIVERED, QUEUED or DROPPED. An error says that the router did not accept
// the message, with the reason (errors.h), unless its code is DEADLINE_EXCEEDED or CANCELLED, or is
// that of a stream that the router refuses (PERMISSION_DENIED, UNAUTHENTICATED, UNIMPLEMENTED,
// INVALID_ARGUMENT, each without a google.rpc.ErrorInfo of the message): then it may have been
// accepted, and publishing it again with the same message id settles it.
using PublishCallback =
    std::function<void(const v1::Message& message, absl::StatusOr<v1::PublishResult> result)>;

// Thread-safe. Owns one thread, on which all callbacks run, one after the other. A callback may
// publish, but is refused at once where the window is full; it must not block, call Flush or
// destroy the publisher.
class StreamPublisher {
 public:
  StreamPublisher(std::shared_ptr<grpc::ChannelInterface> channel,
                  const StreamPublisherOptions& options);
  // Answers what is still unanswered with CANCELLED. Call Flush first to wait for the answers.
  ~StreamPublisher();

  StreamPublisher(const StreamPublisher&) = delete;
  StreamPublisher& operator=(const StreamPublisher&) = delete;

  // Takes a message, giving it an id where it has none, and returns; `done` (may be null) is called
  // later. Waits while the window is full. Errors, after which `done` is never called:
  // RESOURCE_EXHAUSTED where the window stayed full, INVALID_ARGUMENT where the message is larger
  // than `message_bytes_max`.
  absl::Status Publish(v1::Message message, PublishCallback done);

  // The same, with the answer as a future; it also holds the errors named above.
  std::future<absl::StatusOr<v1::PublishResult>> Publish(v1::Message message);

  // Sends what is waiting for a frame to fill and waits until nothing is unanswered and every
  // callback has returned. False where that took longer than `timeout`.
  bool Flush(absl::Duration timeout);

  StreamPublisherStats stats() const;

 private:
  class Engine;

  const std::shared_ptr<Engine> engine_;
};

}  // namespace router::client

#endif  // ROUTER_CLIENTS_CPP_STREAM_PUBLISHER_H_
