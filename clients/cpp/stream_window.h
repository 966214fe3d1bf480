// What a StreamPublisher keeps: every message that is published and not answered, in order. No I/O
// and no lock, so that it can be tested message by message. Internal to the library.
#ifndef ROUTER_CLIENTS_CPP_STREAM_WINDOW_H_
#define ROUTER_CLIENTS_CPP_STREAM_WINDOW_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "clients/cpp/stream_publisher.h"
#include "router/v1/publisher.pb.h"

namespace router::client {

// Messages that are sent together. Keeps its place in the window until all callbacks have returned.
struct StreamFrame {
  using Time = std::chrono::steady_clock::time_point;

  v1::PublishStreamRequest request;        // Not touched while a write of it is under way.
  std::vector<PublishCallback> callbacks;  // By message; null once answered.
  Time start;                              // When its first message was published.
  Time expire;                             // When its answers are overdue.
  uint64_t first_number = 0;               // Of its first message in the present stream.
  int messages = 0;                        // What it counts for in the window, until all
  int64_t bytes = 0;                       // callbacks have returned.
  int unanswered = 0;
  int unfinished = 0;  // Messages whose callback has not returned.
};

// An answer on its way to the caller.
struct StreamCompletion {
  std::shared_ptr<StreamFrame> frame;
  int index = 0;  // Of the message in its frame.
  PublishCallback done;
  absl::StatusOr<v1::PublishResult> result;
};

// Not thread-safe.
class StreamWindow {
 public:
  using Time = StreamFrame::Time;
  using Completions = std::vector<StreamCompletion>;

  explicit StreamWindow(const StreamPublisherOptions& options) : options_(options) {}

  // Whether a message of this size may be added. A message that is larger than the whole window
  // fits into an empty one.
  bool HasRoom(int64_t bytes) const;
  void Add(v1::Message message, int64_t bytes, PublishCallback done, Time now);

  // Closes the frame that is being filled, although it is not full.
  void Seal();
  // Whether the frame that is being filled has a message.
  bool HasOpenFrame() const { return open_ != nullptr; }
  // When that frame has to be sealed.
  std::optional<Time> SealTime() const;

  // The next frame to send, numbered for the present stream; null where there is none.
  std::shared_ptr<StreamFrame> TakeToSend();
  bool HasFrameToSend() const { return !sealed_.empty(); }

  // Settles the messages that `response` answers. An error, where it answers what was not asked;
  // what it answered before that stays settled.
  absl::Status Answer(const v1::PublishStreamResponse& response, Completions& completions);

  // The stream is gone: what was sent and is unanswered will be sent first on the next one. Returns
  // how many messages that are.
  int64_t Requeue();

  // Settles what is overdue with DEADLINE_EXCEEDED. True where some of it had been sent: the
  // present stream owes answers and must be given up.
  bool Expire(Time now, Completions& completions);
  // When something is overdue.
  std::optional<Time> ExpireTime() const;

  // Settles everything.
  void FailAll(const absl::Status& status, Completions& completions);

  // The callbacks of `completions` have returned: their place is free again.
  void Finish(const Completions& completions);

  int64_t messages() const { return messages_; }
  int64_t bytes() const { return bytes_; }

 private:
  using FramePointer = std::shared_ptr<StreamFrame>;

  // The frame that holds message `number` of the present stream, or null.
  FramePointer Find(uint64_t number) const;
  absl::Status AnswerRange(const v1::PublishStreamRange& range, Completions& completions);
  void Settle(const FramePointer& frame, int index, absl::StatusOr<v1::PublishResult> result,
              Completions& completions);
  void FailFrame(const FramePointer& frame, const absl::Status& status, Completions& completions);
  // A frame of the messages of `frame` that are unanswered, which leave it.
  FramePointer SplitUnanswered(StreamFrame& frame);
  // Gives the place of a frame back once nothing of it is unfinished.
  void ReleaseIfFinished(const StreamFrame& frame);

  const StreamPublisherOptions options_;

  FramePointer open_;                      // Being filled.
  std::deque<FramePointer> sealed_;        // To be sent, oldest first.
  std::map<uint64_t, FramePointer> sent_;  // By first number. Every one has unanswered messages.
  uint64_t next_number_ = 1;
  int64_t messages_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace router::client

#endif  // ROUTER_CLIENTS_CPP_STREAM_WINDOW_H_
