// PublishStream: one frame after the other is read and handed to the dispatcher as a batch, as long
// as the stream's window has room. One answer is written at a time; what becomes ready meanwhile
// goes out together with the next.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "server/errors/status_conversion.h"
#include "server/services/completion_tag.h"
#include "server/services/publish_call.h"
#include "server/services/stream_answers.h"

namespace router {
namespace {

const MethodRule* StreamRule() {
  static const MethodRule* const rule = FindMethodRule(kPublisherService, "PublishStream");
  return rule;
}

class PublishStream {
 public:
  PublishStream(PublisherContext* context, grpc::ServerCompletionQueue* queue)
      : context_(context), queue_(queue), stream_(&server_context_) {
    context->handlers.Add();
    context->service.RequestPublishStream(&server_context_, &stream_, queue, queue, &requested_);
  }

  ~PublishStream() { context_->handlers.Remove(); }

 private:
  struct Frame final : PublishBatch {
    Frame(PublishStream* stream, std::unique_ptr<v1::PublishStreamRequest> request,
          uint64_t first_number)
        : PublishBatch(static_cast<size_t>(request->messages_size())),
          stream(stream),
          request(std::move(request)),
          first_number(first_number),
          size_bytes(static_cast<int64_t>(this->request->ByteSizeLong())) {}

    void Done() override { stream->OnFrameDone(this); }

    PublishStream* const stream;
    const std::unique_ptr<v1::PublishStreamRequest> request;
    const uint64_t first_number;
    const int64_t size_bytes;
    OperationStorage storage;
  };

  void OnRequested(bool ok) {
    if (!ok) {  // The server is shutting down.
      delete this;
      return;
    }
    AwaitPublishStream(context_, queue_);
    start_time_ = context_->clock->SteadyNow();
    absl::MutexLock lock(&mutex_);
    if (context_->access != nullptr) {
      absl::StatusOr<Caller> caller = Admit(context_->access, server_context_, StreamRule());
      if (!caller.ok()) {
        status_ = caller.status();
        input_ended_ = true;
        return Advance();
      }
      caller_ = *std::move(caller);
    }
    Read();
  }

  void OnRead(bool ok) {
    std::unique_ptr<Frame> frame;
    {
      absl::MutexLock lock(&mutex_);
      reading_ = false;
      if (!ok) {
        input_ended_ = true;
      } else {
        status_ = CheckBatchSize(request_->messages_size());
        if (status_.ok() && caller_.has_value()) {
          status_ = context_->access->Renew(*StreamRule(), &*caller_);
        }
        if (status_.ok()) {
          frame = TakeFrame();
        } else {
          input_ended_ = true;
        }
      }
      if (frame == nullptr) return Advance();
    }
    const absl::Span<const v1::Message* const> messages =
        absl::MakeConstSpan(frame->request->messages().data(), frame->request->messages_size());
    FillOperations(messages, context_->transport->max_payload_bytes(), context_->clock->WallNow(),
                   &context_->ids, &frame->storage, frame.get());
    if (caller_.has_value()) {
      context_->access->RejectSubjects(*caller_, StreamRule()->method, frame.get());
    }
    context_->dispatcher->Publish(frame.release());
    // Still there, whatever was answered meanwhile: nothing is finished while publishing_ is set.
    absl::MutexLock lock(&mutex_);
    publishing_ = false;
    Advance();
  }

  std::unique_ptr<Frame> TakeFrame() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto frame = std::make_unique<Frame>(this, std::move(request_), next_number_);
    frame->start_time = context_->clock->SteadyNow();
    frame->caller_deadline = CallerDeadline(server_context_, frame->start_time);
    const int64_t count = static_cast<int64_t>(frame->operations().size());
    next_number_ += static_cast<uint64_t>(count);
    unanswered_messages_ += count;
    unanswered_bytes_ += frame->size_bytes;
    publishing_ = true;
    return frame;
  }

  // Called by the thread that settled the frame's last message.
  void OnFrameDone(Frame* frame) {
    std::unique_ptr<Frame> owned(frame);
    absl::MutexLock lock(&mutex_);
    const int64_t count = static_cast<int64_t>(frame->operations().size());
    unanswered_messages_ -= count;
    unanswered_bytes_ -= frame->size_bytes;
    unwritten_messages_ += count;
    AddAnswers(frame->first_number, frame->operations(), &answers_);
    has_answers_ = true;
    Advance();
  }

  void OnWritten(bool ok) {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    unwritten_messages_ -= writing_messages_;
    if (!ok) broken_ = true;
    Advance();
  }

  void OnFinished(bool) {
    // The thread that called Finish may still hold the lock.
    { absl::MutexLock lock(&mutex_); }
    delete this;
  }

  // Starts whatever can be started now.
  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (publishing_) return;  // OnRead goes on when the dispatcher has returned.
    if (has_answers_ && !writing_ && !broken_) Write();
    if (!reading_ && !input_ended_ && WindowIsOpen()) Read();
    const bool all_answered = unanswered_messages_ == 0 && (!has_answers_ || broken_);
    if (input_ended_ && !reading_ && !writing_ && all_answered && !finishing_) Finish();
  }

  bool WindowIsOpen() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return unanswered_messages_ + unwritten_messages_ < context_->options.stream_window_messages &&
           unanswered_bytes_ < context_->options.stream_window_bytes;
  }

  void Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    reading_ = true;
    request_ = std::make_unique<v1::PublishStreamRequest>();
    stream_.Read(request_.get(), &read_);
  }

  void Write() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    writing_ = true;
    has_answers_ = false;
    writing_messages_ = unwritten_messages_;
    answers_.set_window_messages(static_cast<uint64_t>(
        std::max<int64_t>(0, context_->options.stream_window_messages - unanswered_messages_)));
    stream_.Write(answers_, &written_);  // Serialised before it returns.
    answers_.Clear();
  }

  void Finish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    finishing_ = true;
    const grpc::Status status = ToGrpcStatus(status_);
    context_->publish_stream_metrics->Handled(
        broken_ ? grpc::StatusCode::CANCELLED : status.error_code(),
        absl::FromChrono(context_->clock->SteadyNow() - start_time_));
    stream_.Finish(status, &finish_);
  }

  PublisherContext* const context_;
  grpc::ServerCompletionQueue* const queue_;
  MemberTag<PublishStream> requested_{this, &PublishStream::OnRequested};
  MemberTag<PublishStream> read_{this, &PublishStream::OnRead};
  MemberTag<PublishStream> written_{this, &PublishStream::OnWritten};
  MemberTag<PublishStream> finish_{this, &PublishStream::OnFinished};
  grpc::ServerContext server_context_;
  SteadyTime start_time_;
  absl::optional<Caller>
      caller_;  // Where there is access control. For whoever has a frame in hand.

  absl::Mutex mutex_;
  grpc::ServerAsyncReaderWriter<v1::PublishStreamResponse, v1::PublishStreamRequest> stream_
      ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<v1::PublishStreamRequest> request_ ABSL_GUARDED_BY(mutex_);
  v1::PublishStreamResponse answers_ ABSL_GUARDED_BY(mutex_);  // Ready to be written.
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
  int64_t unanswered_messages_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t unanswered_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Answered, but not yet taken by the caller: a caller that does not read is not read either.
  int64_t unwritten_messages_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t writing_messages_ ABSL_GUARDED_BY(mutex_) = 0;  // Those of them that are being written.
  bool has_answers_ ABSL_GUARDED_BY(mutex_) = false;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool publishing_ ABSL_GUARDED_BY(mutex_) = false;  // Inside the dispatcher.
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool input_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;  // The caller is gone; answers go nowhere.
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

void AwaitPublishStream(PublisherContext* context, grpc::ServerCompletionQueue* queue) {
  new PublishStream(context, queue);
}

}  // namespace router
