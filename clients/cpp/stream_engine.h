// The moving parts of StreamPublisher: one thread, and one stream at a time. Internal to the
// library.
#ifndef ROUTER_CLIENTS_CPP_STREAM_ENGINE_H_
#define ROUTER_CLIENTS_CPP_STREAM_ENGINE_H_

#include <chrono>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/synchronization/mutex.h"
#include "clients/cpp/message_ids.h"
#include "clients/cpp/stream_publisher.h"
#include "clients/cpp/stream_window.h"

namespace router::client {

// Kept alive by the publisher and by the stream. All decisions are made by the worker thread;
// gRPC's threads only put down what happened and wake it.
class StreamPublisher::Engine : public std::enable_shared_from_this<StreamPublisher::Engine> {
 public:
  Engine(std::shared_ptr<grpc::ChannelInterface> channel, const StreamPublisherOptions& options);
  ~Engine();

  void Start();
  // Ends the worker. Everything that is unanswered is answered CANCELLED before this returns.
  void Stop();

  absl::Status Publish(v1::Message message, PublishCallback done);
  bool Flush(absl::Duration timeout);
  StreamPublisherStats stats() const;

 private:
  using Time = StreamFrame::Time;
  class Stream;

  enum class StreamState {
    kNone,
    kOpen,
    kEnding,  // Given up; gRPC has not reported its end yet.
  };

  // Called by the stream, on gRPC's threads.
  void OnResponse(const v1::PublishStreamResponse& response);
  void OnWriteDone();
  void OnReadsEnded();
  void OnStreamDone(const grpc::Status& status);

  void Work();
  // Does one thing that is due; false where nothing is.
  bool Step() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool StepStream(Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool StepEndedStream(Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool StepWrite(Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RunCallbacks() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OpenStream() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveUpStream() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wait() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Duration ReopenDelay() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  bool OnWorker() const { return std::this_thread::get_id() == worker_.get_id(); }

  const StreamPublisherOptions options_;
  std::unique_ptr<v1::PublisherService::Stub> stub_;  // Used by the worker; reset by Stop.
  MessageIds ids_;
  std::thread worker_;  // Set by Start, joined by Stop.

  mutable absl::Mutex mutex_;
  absl::CondVar wake_;
  StreamWindow window_ ABSL_GUARDED_BY(mutex_);
  StreamWindow::Completions completions_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int flushing_ ABSL_GUARDED_BY(mutex_) = 0;  // Calls of Flush that are waiting.

  StreamState state_ ABSL_GUARDED_BY(mutex_) = StreamState::kNone;
  std::unique_ptr<Stream> stream_ ABSL_GUARDED_BY(mutex_);        // Null while kNone.
  std::shared_ptr<StreamFrame> writing_ ABSL_GUARDED_BY(mutex_);  // Null: no write under way.
  bool reads_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool wrong_answer_ ABSL_GUARDED_BY(mutex_) = false;
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;  // gRPC has reported the end of the stream.
  grpc::Status done_status_ ABSL_GUARDED_BY(mutex_);
  Time stop_deadline_ ABSL_GUARDED_BY(mutex_);
  Time reopen_time_ ABSL_GUARDED_BY(mutex_);
  int fruitless_streams_ ABSL_GUARDED_BY(mutex_) = 0;  // In a row, without an answer.
  absl::BitGen random_ ABSL_GUARDED_BY(mutex_);
  int64_t streams_opened_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t messages_resent_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace router::client

#endif  // ROUTER_CLIENTS_CPP_STREAM_ENGINE_H_
