#include "tests/clients/fake_publisher_service.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "tests/clients/fake_router.h"

namespace router::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

}  // namespace

void FakePublisherService::FailNextCalls(std::vector<grpc::Status> statuses) {
  absl::MutexLock lock(&mutex_);
  call_statuses_.assign(statuses.begin(), statuses.end());
}

void FakePublisherService::HoldAnswers() {
  absl::MutexLock lock(&mutex_);
  hold_ = true;
}

void FakePublisherService::ReleaseAnswers() {
  absl::MutexLock lock(&mutex_);
  hold_ = false;
}

void FakePublisherService::BreakNextStream(int64_t messages, const grpc::Status& status) {
  absl::MutexLock lock(&mutex_);
  next_stream_.break_after = messages;
  next_stream_.break_status = status;
}

void FakePublisherService::AnswerNextStreamBackwards() {
  absl::MutexLock lock(&mutex_);
  next_stream_.backwards = true;
}

void FakePublisherService::AnswerNextStreamWrongly() {
  absl::MutexLock lock(&mutex_);
  next_stream_.wrong = true;
}

void FakePublisherService::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
}

std::vector<v1::Message> FakePublisherService::received() const {
  absl::MutexLock lock(&mutex_);
  return received_;
}

std::vector<int> FakePublisherService::frame_sizes() const {
  absl::MutexLock lock(&mutex_);
  return frame_sizes_;
}

int FakePublisherService::streams() const {
  absl::MutexLock lock(&mutex_);
  return streams_;
}

absl::Duration FakePublisherService::last_time_left() const {
  absl::MutexLock lock(&mutex_);
  return last_time_left_;
}

bool FakePublisherService::WaitForReceived(size_t messages) const {
  absl::MutexLock lock(&mutex_);
  const auto enough = [this, messages]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return received_.size() >= messages;
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
}

bool FakePublisherService::WaitForGoodbye() const {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&goodbye_), kPatience);
}

grpc::Status FakePublisherService::StartCall(const grpc::ServerContext& context) {
  last_time_left_ = absl::FromChrono(context.deadline()) - absl::Now();
  if (call_statuses_.empty()) return grpc::Status::OK;
  grpc::Status status = call_statuses_.front();
  call_statuses_.pop_front();
  return status;
}

v1::PublishResult FakePublisherService::Take(const v1::Message& message) {
  v1::PublishResult result;
  result.set_message_id(message.message_id());
  if (absl::StartsWith(message.subject(), "reject.")) {
    const grpc::Status error =
        RouterError(grpc::StatusCode::RESOURCE_EXHAUSTED, "the queue is full", "PENDING_QUEUE_FULL",
                    absl::Seconds(2));
    result.set_outcome(v1::PUBLISH_OUTCOME_REJECTED);
    result.mutable_error()->ParseFromString(error.error_details());
  } else if (absl::StartsWith(message.subject(), "queue.")) {
    result.set_outcome(v1::PUBLISH_OUTCOME_QUEUED);
    result.set_operation_id(++sequence_);
  } else if (absl::StartsWith(message.subject(), "drop.")) {
    result.set_outcome(v1::PUBLISH_OUTCOME_DROPPED);
  } else {
    result.set_outcome(v1::PUBLISH_OUTCOME_DELIVERED);
    result.set_stream("DEMO");
    result.set_sequence(++sequence_);
    result.set_duplicate(absl::StartsWith(message.subject(), "duplicate."));
  }
  return result;
}

grpc::Status FakePublisherService::Publish(grpc::ServerContext* context,
                                           const v1::PublishRequest* request,
                                           v1::PublishResponse* response) {
  absl::MutexLock lock(&mutex_);
  received_.push_back(request->message());
  const grpc::Status status = StartCall(*context);
  if (!status.ok()) return status;
  *response->mutable_result() = Take(request->message());
  if (response->result().outcome() != v1::PUBLISH_OUTCOME_REJECTED) return grpc::Status::OK;
  const google::rpc::Status& error = response->result().error();
  return grpc::Status(static_cast<grpc::StatusCode>(error.code()), error.message(),
                      error.SerializeAsString());
}

grpc::Status FakePublisherService::PublishBatch(grpc::ServerContext* context,
                                                const v1::PublishBatchRequest* request,
                                                v1::PublishBatchResponse* response) {
  absl::MutexLock lock(&mutex_);
  received_.insert(received_.end(), request->messages().begin(), request->messages().end());
  const grpc::Status status = StartCall(*context);
  if (!status.ok()) return status;
  for (const v1::Message& message : request->messages()) *response->add_results() = Take(message);
  return grpc::Status::OK;
}

void FakePublisherService::AnswerFrame(const v1::PublishStreamRequest& frame, uint64_t first,
                                       v1::PublishStreamResponse& response) {
  absl::MutexLock lock(&mutex_);
  v1::PublishStreamRange* range = nullptr;
  for (int i = 0; i < frame.messages_size(); ++i) {
    const v1::PublishResult result = Take(frame.messages(i));
    if (result.has_error() || result.duplicate()) {
      v1::PublishStreamResult* single = response.add_results();
      single->set_number(first + i);
      *single->mutable_result() = result;
      range = nullptr;
      continue;
    }
    if (range == nullptr || range->outcome() != result.outcome()) {
      range = response.add_ranges();
      range->set_first(first + i);
      range->set_outcome(result.outcome());
      range->set_stream(result.stream());
      range->set_first_sequence(result.sequence());
      range->set_first_operation_id(result.operation_id());
    }
    range->set_last(first + i);
  }
}

void FakePublisherService::WaitUntilReleased(const grpc::ServerContext& context) {
  absl::MutexLock lock(&mutex_);
  const auto released = [this, &context]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !hold_ || stopped_ || context.IsCancelled();
  };
  // Cancellation wakes nobody, so it is looked for now and then.
  while (!mutex_.AwaitWithTimeout(absl::Condition(&released), absl::Milliseconds(10))) {
  }
}

grpc::Status FakePublisherService::PublishStream(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<v1::PublishStreamResponse, v1::PublishStreamRequest>* stream) {
  StreamPlan plan;
  {
    absl::MutexLock lock(&mutex_);
    plan = std::exchange(next_stream_, {});
    ++streams_;
  }
  uint64_t next = 1;
  v1::PublishStreamRequest frame;
  v1::PublishStreamRequest held;
  while (stream->Read(&frame)) {
    {
      absl::MutexLock lock(&mutex_);
      received_.insert(received_.end(), frame.messages().begin(), frame.messages().end());
      frame_sizes_.push_back(frame.messages_size());
    }
    const uint64_t first = next;
    next += frame.messages_size();
    if (plan.break_after >= 0 && static_cast<int64_t>(next - 1) >= plan.break_after) {
      return plan.break_status;
    }
    WaitUntilReleased(*context);
    if (plan.backwards && held.messages().empty()) {
      held = frame;
      continue;
    }
    v1::PublishStreamResponse response;
    AnswerFrame(frame, plan.wrong ? first + 1000 : first, response);
    if (plan.backwards) AnswerFrame(held, first - held.messages_size(), response);
    held.Clear();
    if (!stream->Write(response)) break;
  }
  if (!context->IsCancelled()) {
    absl::MutexLock lock(&mutex_);
    goodbye_ = true;
  }
  return grpc::Status::OK;
}

}  // namespace router::testing
