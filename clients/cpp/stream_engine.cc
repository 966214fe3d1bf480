#include "clients/cpp/stream_engine.h"

#include <algorithm>
#include <utility>

#include "clients/cpp/errors.h"

namespace router::client {
namespace {

using SteadyClock = std::chrono::steady_clock;

// How long a router gets to end a stream on which everything is answered.
constexpr std::chrono::seconds kGoodbyeTime(1);

// Another stream would end the same way.
bool IsFinal(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::UNIMPLEMENTED:
      return true;
    default:
      return false;
  }
}

}  // namespace

// Lives until gRPC has called OnDone, which cannot be before the engine has called LetGo. The
// engine destroys it then, on its own thread: the context holds the channel, and a channel whose
// last user lets go of it on one of gRPC's threads takes that very thread's queue away.
class StreamPublisher::Engine::Stream final
    : public grpc::ClientBidiReactor<v1::PublishStreamRequest, v1::PublishStreamResponse> {
 public:
  Stream(std::shared_ptr<Engine> engine, v1::PublisherService::Stub& stub)
      : engine_(std::move(engine)) {
    stub.async()->PublishStream(&context_, this);
    AddHold();
  }

  void Start() {
    StartRead(&response_);
    StartCall();
  }
  void Cancel() { context_.TryCancel(); }
  // Nothing will be called from outside any more.
  void LetGo() { RemoveHold(); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      engine_->OnReadsEnded();
      return;
    }
    engine_->OnResponse(response_);
    response_.Clear();
    StartRead(&response_);
  }
  void OnWriteDone(bool) override { engine_->OnWriteDone(); }
  void OnDone(const grpc::Status& status) override {
    // Keeps the engine while it is told; the stream may be gone before that returns.
    const std::shared_ptr<Engine> engine = std::move(engine_);
    engine->OnStreamDone(status);
  }

 private:
  std::shared_ptr<Engine> engine_;
  grpc::ClientContext context_;
  v1::PublishStreamResponse response_;
};

StreamPublisher::Engine::Engine(std::shared_ptr<grpc::ChannelInterface> channel,
                                const StreamPublisherOptions& options)
    : options_(options),
      stub_(v1::PublisherService::NewStub(std::move(channel))),
      window_(options),
      reopen_time_(SteadyClock::now()) {}

StreamPublisher::Engine::~Engine() = default;

void StreamPublisher::Engine::Start() {
  worker_ = std::thread([this] { Work(); });
}

void StreamPublisher::Engine::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    stop_deadline_ = SteadyClock::now() + kGoodbyeTime;
    wake_.Signal();
  }
  worker_.join();
  // A stream that has ended may keep the engine a moment longer, but never the channel.
  stub_.reset();
}

absl::Status StreamPublisher::Engine::Publish(v1::Message message, PublishCallback done) {
  if (message.message_id().empty()) message.set_message_id(ids_.Next());
  if (done == nullptr) done = [](const v1::Message&, const absl::StatusOr<v1::PublishResult>&) {};
  const int64_t bytes = static_cast<int64_t>(message.ByteSizeLong());
  if (bytes > options_.message_bytes_max) {
    return absl::InvalidArgumentError("the message is larger than message_bytes_max");
  }
  absl::MutexLock lock(&mutex_);
  const auto has_room = [this, bytes]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || window_.HasRoom(bytes);
  };
  const absl::Duration wait = OnWorker() ? absl::ZeroDuration() : options_.full_window_wait;
  if (!mutex_.AwaitWithTimeout(absl::Condition(&has_room), wait)) {
    return absl::ResourceExhaustedError("the window of unanswered messages is full");
  }
  if (stopping_) return absl::FailedPreconditionError("the publisher is being destroyed");
  const bool had_open_frame = window_.HasOpenFrame();
  const bool had_frame_to_send = window_.HasFrameToSend();
  window_.Add(std::move(message), bytes, std::move(done), SteadyClock::now());
  if (!had_open_frame || (!had_frame_to_send && window_.HasFrameToSend())) wake_.Signal();
  return absl::OkStatus();
}

bool StreamPublisher::Engine::Flush(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  const auto empty = [this]()
                         ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return window_.messages() == 0; };
  ++flushing_;
  wake_.Signal();
  const bool flushed = mutex_.AwaitWithTimeout(absl::Condition(&empty), timeout);
  --flushing_;
  return flushed;
}

StreamPublisherStats StreamPublisher::Engine::stats() const {
  absl::MutexLock lock(&mutex_);
  StreamPublisherStats stats;
  stats.window_messages = window_.messages();
  stats.window_bytes = window_.bytes();
  stats.streams_opened = streams_opened_;
  stats.messages_resent = messages_resent_;
  return stats;
}

void StreamPublisher::Engine::OnResponse(const v1::PublishStreamResponse& response) {
  absl::MutexLock lock(&mutex_);
  // A stream that was given up has nothing to say any more: its messages are sent again.
  if (state_ != StreamState::kOpen || wrong_answer_) return;
  wrong_answer_ = !window_.Answer(response, completions_).ok();
  if (!completions_.empty()) fruitless_streams_ = 0;
  wake_.Signal();
}

void StreamPublisher::Engine::OnWriteDone() {
  absl::MutexLock lock(&mutex_);
  writing_ = nullptr;
  wake_.Signal();
}

void StreamPublisher::Engine::OnReadsEnded() {
  absl::MutexLock lock(&mutex_);
  reads_ended_ = true;
  wake_.Signal();
}

void StreamPublisher::Engine::OnStreamDone(const grpc::Status& status) {
  absl::MutexLock lock(&mutex_);
  done_ = true;
  done_status_ = status;
  wake_.Signal();
}

void StreamPublisher::Engine::Work() {
  absl::MutexLock lock(&mutex_);
  while (true) {
    while (Step()) {
    }
    if (stopping_ && state_ == StreamState::kNone && window_.messages() == 0) return;
    Wait();
  }
}

bool StreamPublisher::Engine::Step() {
  if (!completions_.empty()) {
    RunCallbacks();
    return true;
  }
  const Time now = SteadyClock::now();
  if (window_.Expire(now, completions_)) GiveUpStream();
  if (!completions_.empty()) return true;
  if (stopping_ && window_.messages() > 0) {
    GiveUpStream();
    window_.FailAll(absl::CancelledError("the publisher was destroyed"), completions_);
    return true;
  }
  return StepStream(now);
}

bool StreamPublisher::Engine::StepStream(Time now) {
  switch (state_) {
    case StreamState::kNone:
      if (stopping_ || window_.messages() == 0 || now < reopen_time_) return false;
      OpenStream();
      return true;
    case StreamState::kOpen:
      if (reads_ended_ || wrong_answer_ || (stopping_ && now >= stop_deadline_)) {
        GiveUpStream();
        return true;
      }
      return StepWrite(now);
    case StreamState::kEnding:
      return done_ && StepEndedStream(now);
  }
  return false;
}

bool StreamPublisher::Engine::StepWrite(Time now) {
  if (writing_ != nullptr || half_closed_) return false;
  if (stopping_) {
    half_closed_ = true;
    stream_->StartWritesDone();
    return true;
  }
  const auto seal_time = window_.SealTime();
  if (seal_time.has_value() && (flushing_ > 0 || now >= *seal_time)) window_.Seal();
  writing_ = window_.TakeToSend();
  if (writing_ == nullptr) return false;
  // gRPC calls nothing of ours on this thread, so the lock does no harm.
  stream_->StartWrite(&writing_->request);
  return true;
}

bool StreamPublisher::Engine::StepEndedStream(Time now) {
  state_ = StreamState::kNone;
  stream_.reset();
  if (IsFinal(done_status_.error_code())) {
    window_.FailAll(FromGrpcStatus(done_status_), completions_);
  }
  messages_resent_ += window_.Requeue();
  reopen_time_ = now + absl::ToChronoNanoseconds(ReopenDelay());
  return true;
}

void StreamPublisher::Engine::RunCallbacks() {
  const StreamWindow::Completions completions = std::exchange(completions_, {});
  mutex_.Unlock();
  for (const StreamCompletion& completion : completions) {
    completion.done(completion.frame->request.messages(completion.index), completion.result);
  }
  mutex_.Lock();
  window_.Finish(completions);
}

void StreamPublisher::Engine::OpenStream() {
  state_ = StreamState::kOpen;
  reads_ended_ = wrong_answer_ = half_closed_ = done_ = false;
  ++streams_opened_;
  ++fruitless_streams_;
  stream_ = std::make_unique<Stream>(shared_from_this(), *stub_);
  stream_->Start();
}

void StreamPublisher::Engine::GiveUpStream() {
  if (state_ != StreamState::kOpen) return;
  state_ = StreamState::kEnding;
  // A stream that the router has ended tells its status; any other is cut off.
  if (!reads_ended_) stream_->Cancel();
  stream_->LetGo();
}

absl::Duration StreamPublisher::Engine::ReopenDelay() {
  if (fruitless_streams_ == 0) return absl::ZeroDuration();
  const int doublings = std::min(fruitless_streams_ - 1, 20);
  const absl::Duration delay =
      std::min(options_.reopen_delay_min * (int64_t{1} << doublings), options_.reopen_delay_max);
  return delay * absl::Uniform(random_, 0.5, 1.0);
}

void StreamPublisher::Engine::Wait() {
  Time until = SteadyClock::now() + std::chrono::hours(1);
  const auto at_latest = [&until](const std::optional<Time>& time) {
    if (time.has_value()) until = std::min(until, *time);
  };
  at_latest(window_.ExpireTime());
  if (state_ == StreamState::kOpen && writing_ == nullptr) at_latest(window_.SealTime());
  if (state_ == StreamState::kNone && window_.messages() > 0) at_latest(reopen_time_);
  if (state_ == StreamState::kOpen && stopping_) at_latest(stop_deadline_);
  wake_.WaitWithTimeout(&mutex_, absl::FromChrono(until - SteadyClock::now()));
}

}  // namespace router::client
