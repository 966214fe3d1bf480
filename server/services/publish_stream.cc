// PublishStream: one frame after the other is read, has its turn, and is handed to the dispatcher
// as a batch, as long as the stream's window has room. One answer is written at a time; what
// becomes ready meanwhile goes out together with the next.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/byte_buffer.h>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "server/errors/errors.h"
#include "server/errors/status_conversion.h"
#include "server/services/completion_tag.h"
#include "server/services/publish_call.h"
#include "server/services/publish_frame.h"
#include "server/services/publish_trace.h"
#include "server/services/stream_answers.h"

namespace router {
namespace {

const MethodRule* StreamRule() {
  static const MethodRule* const rule = FindMethodRule(kPublisherService, "PublishStream");
  return rule;
}

// Of the queue's thread, but for OnFrameDone.
class PublishStream final : public PublishFrameOwner {
 public:
  explicit PublishStream(PublishQueue* queue)
      : context_(queue->context), queue_(queue), stream_(&server_context_) {
    queue_->calls.AddHandler();
    server_context_.AsyncNotifyWhenDone(&call_ended_);
    context_->service.RequestPublishStream(&server_context_, &stream_, queue_->calls.get(),
                                           queue_->calls.get(), &requested_);
  }

  ~PublishStream() override { queue_->calls.RemoveHandler(); }

 private:
  void OnRequested(bool ok) {
    if (!ok) {  // The server is shutting down.
      delete this;
      return;
    }
    AwaitPublishStream(queue_);
    start_time_ = context_->clock->SteadyNow();
    caller_trace_ = ReadCallerTrace(server_context_);
    status_ = AdmitCaller(*context_, server_context_, StreamRule(), &caller_);
    if (!status_.ok()) return Finish();
    client_ = FindClient(*context_, server_context_, caller_);
    SetWindow();
    Read();
  }

  void OnRead(bool ok) {
    reading_ = false;
    input_ended_ = !ok;
    if (ok) TakeFrame();
    Advance();
  }

  // The frame that came in has its turn, waits for it, or is refused: `status_` says why, and the
  // stream ends once the frames before it are answered.
  void TakeFrame() {
    SetWindow();
    waiting_frame_ = queue_->frames.Take();
    waiting_frame_->Begin(this, static_cast<int64_t>(input_.Length()));
    const absl::StatusOr<bool> has_turn = Enter();
    if (!has_turn.ok()) return RefuseFrame(has_turn.status());
    if (!*has_turn) return queue_->turns.Wait(waiting_frame_.get());
    PublishFrameThatWaits();
  }

  // Whether the frame may be published now; errors end the stream. A limit of the client is none,
  // as long as there is room to wait.
  absl::StatusOr<bool> Enter() {
    absl::StatusOr<int64_t> count = CountMessages(*context_, &input_, error::FrameInvalid);
    if (!count.ok()) return count.status();
    if (absl::Status checked = CheckBatchSize(*context_, *count); !checked.ok()) return checked;
    absl::StatusOr<bool> has_turn =
        queue_->turns.Enter(waiting_frame_.get(), client_, {*count, waiting_frame_->size_bytes});
    if (!has_turn.ok() && queue_->turns.MayWait(*waiting_frame_)) return false;
    return has_turn;
  }

  // Until then no other frame is read.
  void OnFrameTurn() override {
    PublishFrameThatWaits();
    Advance();
  }

  // A frame may wait for hours, and what its caller may do have changed since the last one.
  void PublishFrameThatWaits() {
    absl::Status status;
    if (caller_.has_value()) status = context_->access->Renew(*StreamRule(), &*caller_);
    if (status.ok()) status = waiting_frame_->Parse(&input_);
    if (!status.ok()) return RefuseFrame(status);
    std::unique_ptr<PublishFrame> frame = std::move(waiting_frame_);
    frame->first_number = next_number_;
    frame->start_time = context_->clock->SteadyNow();
    frame->caller_deadline = CallerDeadline(server_context_, frame->start_time);
    const int64_t count = static_cast<int64_t>(frame->operations().size());
    next_number_ += static_cast<uint64_t>(count);
    unanswered_messages_ += count;
    unanswered_bytes_ += frame->size_bytes;
    const absl::Span<const v1::Message* const> messages =
        absl::MakeConstSpan(frame->request.messages().data(), frame->request.messages_size());
    frame->trace = PublishTrace::Begin(caller_trace_, context_->spans);
    MakeOperations(context_, messages, {StreamRule(), caller_, frame->trace.get()}, &frame->storage,
                   frame.get());
    queue_->Publish(frame.release());
  }

  void RefuseFrame(absl::Status status) {
    status_ = std::move(status);
    input_ended_ = true;
    GiveUpWaiting();
  }

  void GiveUpWaiting() {
    queue_->turns.Leave(waiting_frame_.get());
    input_.Clear();
    queue_->frames.Give(std::move(waiting_frame_));
  }

  // The call is over for gRPC: answered, or given up by its caller.
  void OnCallEnded(bool) {
    call_is_over_ = true;
    if (server_context_.IsCancelled()) broken_ = true;
    if (broken_ && waiting_frame_ != nullptr) GiveUpWaiting();
    if (!finished_) return Advance();
    DeleteIfOver();
  }

  // Called by the thread that settled the frame's last message.
  void OnFrameDone(PublishFrame* frame) override {
    bool is_first = false;
    {
      absl::MutexLock lock(&done_mutex_);
      is_first = done_.empty();
      done_.emplace_back(frame);
    }
    if (is_first) queue_->calls.Post(&answer_);
  }

  void Answer(bool) {
    std::vector<std::unique_ptr<PublishFrame>> done;
    {
      absl::MutexLock lock(&done_mutex_);
      std::swap(done, done_);
    }
    for (std::unique_ptr<PublishFrame>& frame : done) AnswerFrame(std::move(frame));
    Advance();
  }

  void AnswerFrame(std::unique_ptr<PublishFrame> frame) {
    if (frame->trace != nullptr) {
      frame->trace->End("PublishStream", frame.get(), absl::OkStatus(), context_->clock->WallNow(),
                        absl::FromChrono(context_->clock->SteadyNow() - frame->start_time));
    }
    const int64_t count = static_cast<int64_t>(frame->operations().size());
    unanswered_messages_ -= count;
    unanswered_bytes_ -= frame->size_bytes;
    unwritten_messages_ += count;
    queue_->turns.EndTurn(frame.get());
    AddAnswers(frame->first_number, frame->operations(), &answers_);
    has_answers_ = true;
    queue_->frames.Give(std::move(frame));
  }

  void OnWritten(bool ok) {
    writing_ = false;
    unwritten_messages_ -= writing_messages_;
    queue_->turns.Leave(client_.get(), writing_messages_);
    if (!ok) broken_ = true;
    Advance();
  }

  void OnFinished(bool) {
    finished_ = true;
    DeleteIfOver();
  }

  void DeleteIfOver() {
    if (!finished_ || !call_is_over_) return;
    // Answers that nobody has taken.
    if (unwritten_messages_ > 0) queue_->turns.Leave(client_.get(), unwritten_messages_);
    delete this;
  }

  // Starts whatever can be started now.
  void Advance() {
    if (finishing_) return;
    if (broken_ && !reading_) input_ended_ = true;  // Nothing more can come.
    if (has_answers_ && !writing_ && !broken_) Write();
    if (!reading_ && !input_ended_ && WindowIsOpen() && waiting_frame_ == nullptr) Read();
    const bool all_answered =
        unanswered_messages_ == 0 && waiting_frame_ == nullptr && (!has_answers_ || broken_);
    if (input_ended_ && !reading_ && !writing_ && all_answered) Finish();
  }

  // Half of what the client may have at most, so that a stream whose caller hangs does not keep the
  // client's other calls out.
  void SetWindow() {
    const ClientLimits::Amount client_max = context_->limits->client_max();
    window_.messages = std::min(context_->options.stream_window_messages,
                                std::max<int64_t>(1, client_max.messages / 2));
    window_.bytes =
        std::min(context_->options.stream_window_bytes, std::max<int64_t>(1, client_max.bytes / 2));
  }

  bool WindowIsOpen() const {
    return unanswered_messages_ + unwritten_messages_ < window_.messages &&
           unanswered_bytes_ < window_.bytes;
  }

  void Read() {
    reading_ = true;
    stream_.Read(&input_, &read_);
  }

  void Write() {
    writing_ = true;
    has_answers_ = false;
    writing_messages_ = unwritten_messages_;
    answers_.set_window_messages(
        static_cast<uint64_t>(std::max<int64_t>(0, window_.messages - unanswered_messages_)));
    grpc::ByteBuffer output;
    bool owns_output = false;  // It does; gRPC's own types ask.
    using Traits = grpc::SerializationTraits<v1::PublishStreamResponse>;
    Traits::Serialize(answers_, &output, &owns_output);
    stream_.Write(output, &written_);
    answers_.Clear();
  }

  void Finish() {
    finishing_ = true;
    const grpc::Status status = ToGrpcStatus(status_);
    context_->publish_stream_metrics->Handled(
        broken_ ? grpc::StatusCode::CANCELLED : status.error_code(),
        absl::FromChrono(context_->clock->SteadyNow() - start_time_));
    stream_.Finish(status, &finish_);
  }

  PublisherContext* const context_;
  PublishQueue* const queue_;
  MemberTag<PublishStream> requested_{this, &PublishStream::OnRequested};
  MemberTag<PublishStream> read_{this, &PublishStream::OnRead};
  MemberTag<PublishStream> answer_{this, &PublishStream::Answer};
  MemberTag<PublishStream> written_{this, &PublishStream::OnWritten};
  MemberTag<PublishStream> finish_{this, &PublishStream::OnFinished};
  MemberTag<PublishStream> call_ended_{this, &PublishStream::OnCallEnded};
  grpc::ServerContext server_context_;
  // Of bytes: gRPC would take a frame that it cannot parse for the end of the stream.
  grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer> stream_;
  SteadyTime start_time_;
  absl::optional<CallerTrace> caller_trace_;
  absl::optional<Caller> caller_;  // Where there is access control.

  grpc::ByteBuffer input_;             // The next frame, until it is published.
  v1::PublishStreamResponse answers_;  // Ready to be written.
  absl::Status status_;
  uint64_t next_number_ = 1;
  int64_t unanswered_messages_ = 0;
  int64_t unanswered_bytes_ = 0;
  // Answered, but not yet taken by the caller: a caller that does not read is not read either.
  int64_t unwritten_messages_ = 0;
  int64_t writing_messages_ = 0;  // Those of them that are being written.
  bool has_answers_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool input_ended_ = false;
  bool broken_ = false;  // The caller is gone; answers go nowhere.
  bool finishing_ = false;
  bool finished_ = false;
  bool call_is_over_ = false;

  std::shared_ptr<ClientLimits::Client> client_;  // From when the caller is let in.
  std::unique_ptr<PublishFrame> waiting_frame_;   // Of `input_`, until it has its turn.
  ClientLimits::Amount window_;

  absl::Mutex done_mutex_;
  std::vector<std::unique_ptr<PublishFrame>> done_ ABSL_GUARDED_BY(done_mutex_);
};

}  // namespace

void AwaitPublishStream(PublishQueue* queue) { new PublishStream(queue); }

}  // namespace router
