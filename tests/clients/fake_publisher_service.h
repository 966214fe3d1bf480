#ifndef ROUTER_TESTS_CLIENTS_FAKE_PUBLISHER_SERVICE_H_
#define ROUTER_TESTS_CLIENTS_FAKE_PUBLISHER_SERVICE_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "router/v1/publisher.grpc.pb.h"

namespace router::testing {

// The first token of a subject says what comes of a message: `queue`, `drop`, `reject`
// (PENDING_QUEUE_FULL, try again in 2 s), `duplicate`; anything else is delivered, with the next
// sequence. Thread-safe.
class FakePublisherService final : public v1::PublisherService::Service {
 public:
  // The next calls of Publish and PublishBatch fail like this.
  void FailNextCalls(std::vector<grpc::Status> statuses) ABSL_LOCKS_EXCLUDED(mutex_);

  // Streams answer nothing until they are told to.
  void HoldAnswers() ABSL_LOCKS_EXCLUDED(mutex_);
  void ReleaseAnswers() ABSL_LOCKS_EXCLUDED(mutex_);
  // The next stream ends with `status` when it has read this many messages, without answering those
  // of the last frame.
  void BreakNextStream(int64_t messages, const grpc::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  // The next stream answers frames in pairs, the second one first, in one response.
  void AnswerNextStreamBackwards() ABSL_LOCKS_EXCLUDED(mutex_);
  // The next stream answers its first frame with a number that it was never sent.
  void AnswerNextStreamWrongly() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends all waiting.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // Every message of every call and stream, in the order received.
  std::vector<v1::Message> received() const ABSL_LOCKS_EXCLUDED(mutex_);
  // How many messages each frame of each stream had.
  std::vector<int> frame_sizes() const ABSL_LOCKS_EXCLUDED(mutex_);
  int streams() const ABSL_LOCKS_EXCLUDED(mutex_);
  // The time that callers gave the last unary call.
  absl::Duration last_time_left() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool WaitForReceived(size_t messages) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether a stream ended because its client had ended it in order.
  bool WaitForGoodbye() const ABSL_LOCKS_EXCLUDED(mutex_);

  grpc::Status Publish(grpc::ServerContext* context, const v1::PublishRequest* request,
                       v1::PublishResponse* response) override;
  grpc::Status PublishBatch(grpc::ServerContext* context, const v1::PublishBatchRequest* request,
                            v1::PublishBatchResponse* response) override;
  grpc::Status PublishStream(grpc::ServerContext* context,
                             grpc::ServerReaderWriter<v1::PublishStreamResponse,
                                                      v1::PublishStreamRequest>* stream) override;

 private:
  struct StreamPlan {
    int64_t break_after = -1;
    grpc::Status break_status;
    bool backwards = false;
    bool wrong = false;
  };

  grpc::Status StartCall(const grpc::ServerContext& context) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::PublishResult Take(const v1::Message& message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Answers the messages of a frame, the first of which has number `first`.
  void AnswerFrame(const v1::PublishStreamRequest& frame, uint64_t first,
                   v1::PublishStreamResponse& response) ABSL_LOCKS_EXCLUDED(mutex_);
  void WaitUntilReleased(const grpc::ServerContext& context) ABSL_LOCKS_EXCLUDED(mutex_);

  mutable absl::Mutex mutex_;
  std::deque<grpc::Status> call_statuses_ ABSL_GUARDED_BY(mutex_);
  StreamPlan next_stream_ ABSL_GUARDED_BY(mutex_);
  bool hold_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool goodbye_ ABSL_GUARDED_BY(mutex_) = false;
  int streams_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration last_time_left_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Message> received_ ABSL_GUARDED_BY(mutex_);
  std::vector<int> frame_sizes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace router::testing

#endif  // ROUTER_TESTS_CLIENTS_FAKE_PUBLISHER_SERVICE_H_
