#include "server/services/publish_call.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <utility>

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>

#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "server/base/client_address.h"
#include "server/errors/errors.h"
#include "server/errors/status_conversion.h"
#include "server/services/completion_tag.h"
#include "server/services/publish_trace.h"

namespace router {
namespace {

// Unary calls come in bursts: from how few waiting handlers on there are more, and up to how many
// finished ones wait again. kKeptBytesMax: with how much memory of their last call each.
struct WaitingLimits {
  int few;
  int enough;
};

struct PublishMethod {
  static constexpr absl::string_view kName = "Publish";
  static constexpr WaitingLimits kWaiting = {64, 128};
  static constexpr size_t kKeptBytesMax = 64 << 10;
  static constexpr auto kWaitingCount = &PublishQueue::waiting_publish;
  using Request = v1::PublishRequest;
  using Response = v1::PublishResponse;
  using Writer = grpc::ServerAsyncResponseWriter<Response>;
  using Messages = std::array<const v1::Message*, 1>;

  static void Await(PublisherContext* context, grpc::ServerContext* server_context,
                    Request* request, Writer* writer, grpc::ServerCompletionQueue* queue,
                    void* tag) {
    context->service.RequestPublish(server_context, request, writer, queue, queue, tag);
  }
  static GrpcMethodMetrics* Metrics(const PublisherContext& context) {
    return context.publish_metrics;
  }
  static const MethodRule* Rule() {
    static const MethodRule* const rule = FindMethodRule(kPublisherService, kName);
    return rule;
  }
  static Messages MessagesOf(const Request& request) { return {&request.message()}; }
  static absl::Status Check(const PublisherContext&, const Request&) { return absl::OkStatus(); }

  static absl::Status Fill(const std::vector<Operation>& operations, Response* response) {
    const Operation& operation = operations.front();
    if (operation.outcome == Outcome::kRejected) return operation.status;
    ToProto(operation, response->mutable_result());
    return absl::OkStatus();
  }
};

struct PublishBatchMethod {
  static constexpr absl::string_view kName = "PublishBatch";
  static constexpr WaitingLimits kWaiting = {8, 16};
  static constexpr size_t kKeptBytesMax = 2 << 20;
  static constexpr auto kWaitingCount = &PublishQueue::waiting_publish_batch;
  using Request = v1::PublishBatchRequest;
  using Response = v1::PublishBatchResponse;
  using Writer = grpc::ServerAsyncResponseWriter<Response>;
  using Messages = absl::Span<const v1::Message* const>;

  static void Await(PublisherContext* context, grpc::ServerContext* server_context,
                    Request* request, Writer* writer, grpc::ServerCompletionQueue* queue,
                    void* tag) {
    context->service.RequestPublishBatch(server_context, request, writer, queue, queue, tag);
  }
  static GrpcMethodMetrics* Metrics(const PublisherContext& context) {
    return context.publish_batch_metrics;
  }
  static const MethodRule* Rule() {
    static const MethodRule* const rule = FindMethodRule(kPublisherService, kName);
    return rule;
  }
  static Messages MessagesOf(const Request& request) {
    return absl::MakeConstSpan(request.messages().data(), request.messages_size());
  }
  static absl::Status Check(const PublisherContext& context, const Request& request) {
    return CheckBatchSize(context, request.messages_size());
  }

  static absl::Status Fill(const std::vector<Operation>& operations, Response* response) {
    response->mutable_results()->Reserve(static_cast<int>(operations.size()));
    for (const Operation& operation : operations) ToProto(operation, response->add_results());
    return absl::OkStatus();
  }
};

// One call of Publish or PublishBatch after the other: waits for a request, hands it to the
// dispatcher as a batch, answers when the batch is done, and when the answer is out waits again, in
// the same memory, or deletes itself.
template <typename Method>
class UnaryCall final : public PublishBatch, private LimitedMessages {
 public:
  explicit UnaryCall(PublishQueue* queue) : context_(queue->context), queue_(queue) {
    queue_->calls.AddHandler();
  }

  ~UnaryCall() override { queue_->calls.RemoveHandler(); }

  // Lets `count` calls wait.
  static void Fill(PublishQueue* queue, int count) {
    while (queue->*Method::kWaitingCount < count) (new UnaryCall(queue))->Await();
  }

 private:
  // What gRPC wants anew for each call.
  struct Rpc {
    grpc::ServerContext server_context;
    typename Method::Writer responder{&server_context};
  };

  int& waiting() { return queue_->*Method::kWaitingCount; }

  void Await() {
    ++waiting();
    rpc_.emplace();
    Method::Await(context_, &rpc_->server_context, &request_, &rpc_->responder, queue_->calls.get(),
                  &requested_);
  }

  void OnRequested(bool ok) {
    --waiting();
    if (!ok) {  // The server is shutting down.
      delete this;
      return;
    }
    Fill(queue_, Method::kWaiting.few);
    queue_->unanswered_calls.fetch_add(1, std::memory_order_relaxed);
    start_time = context_->clock->SteadyNow();
    trace_ = PublishTrace::Begin(ReadCallerTrace(rpc_->server_context), context_->spans);
    absl::Status checked = AdmitCaller(*context_, rpc_->server_context, Method::Rule(), &caller_);
    if (checked.ok()) checked = Method::Check(*context_, request_);
    bool has_turn = true;
    if (checked.ok()) checked = Enter(&has_turn);
    if (!checked.ok()) {
      Reset(0);
      return Finish(checked);
    }
    const typename Method::Messages messages = Method::MessagesOf(request_);
    Reset(messages.size());
    storage_.Clear();
    caller_deadline = CallerDeadline(rpc_->server_context, start_time);
    MakeOperations(context_, messages, {Method::Rule(), caller_, trace_.get()}, &storage_, this);
    if (has_turn) {
      queue_->Publish(this);
    } else {
      queue_->turns.Wait(this);
    }
  }

  absl::Status Enter(bool* has_turn) {
    const auto count = static_cast<int64_t>(Method::MessagesOf(request_).size());
    const absl::StatusOr<bool> entered =
        queue_->turns.Enter(this, FindClient(*context_, rpc_->server_context, caller_),
                            {count, static_cast<int64_t>(request_.ByteSizeLong())});
    if (entered.ok()) *has_turn = *entered;
    return entered.status();
  }

  void OnTurn() override { queue_->Publish(this); }

  // Called by the thread that settled the last message. Among many calls the queue's thread
  // answers: two that write to a connection at a time hinder each other. A lone one need not wait
  // for it.
  void Done() override {
    const bool is_lone = queue_->unanswered_calls.load(std::memory_order_relaxed) == 1;
    if (is_lone || queue_->calls.IsThisThread()) return Answer(true);
    queue_->calls.Post(&answer_);
  }

  void Answer(bool) {
    response_.Clear();
    Finish(Method::Fill(operations(), &response_));
  }

  void Finish(const absl::Status& status) {
    queue_->unanswered_calls.fetch_sub(1, std::memory_order_relaxed);
    queue_->turns.Leave(this);
    const grpc::Status grpc_status = ToGrpcStatus(status);
    const absl::Duration duration = absl::FromChrono(context_->clock->SteadyNow() - start_time);
    Method::Metrics(*context_)->Handled(grpc_status.error_code(), duration);
    if (trace_ != nullptr) {
      trace_->End(Method::kName, this, status, context_->clock->WallNow(), duration);
    }
    if (grpc_status.ok()) {
      rpc_->responder.Finish(response_, grpc_status, &finished_);
    } else {
      rpc_->responder.FinishWithError(grpc_status, &finished_);
    }
  }

  void OnFinished(bool) {
    if (waiting() < Method::kWaiting.enough && !IsLarge()) return Await();
    delete this;
  }

  // Whether it has taken more memory than a handler may keep that waits for another call.
  bool IsLarge() {
    size_t bytes = storage_.SpaceUsed() + response_.ByteSizeLong() +
                   operations().capacity() * (sizeof(Operation) + sizeof(v1::PublishResult));
    for (const v1::Message* message : Method::MessagesOf(request_)) bytes += SpaceUsed(*message);
    return bytes > Method::kKeptBytesMax;
  }

  PublisherContext* const context_;
  PublishQueue* const queue_;
  MemberTag<UnaryCall> requested_{this, &UnaryCall::OnRequested};
  MemberTag<UnaryCall> answer_{this, &UnaryCall::Answer};
  MemberTag<UnaryCall> finished_{this, &UnaryCall::OnFinished};
  absl::optional<Rpc> rpc_;
  typename Method::Request request_;
  typename Method::Response response_;
  std::unique_ptr<PublishTrace> trace_;  // Null for a call without one.
  absl::optional<Caller> caller_;        // Of the last call, where there is access control.
  OperationStorage storage_;
};

}  // namespace

void AwaitUnaryCalls(PublishQueue* queue) {
  UnaryCall<PublishMethod>::Fill(queue, PublishMethod::kWaiting.enough);
  UnaryCall<PublishBatchMethod>::Fill(queue, PublishBatchMethod::kWaiting.enough);
}

absl::Status AdmitCaller(const PublisherContext& context, const grpc::ServerContext& server_context,
                         const MethodRule* rule, absl::optional<Caller>* caller) {
  if (context.access == nullptr) return absl::OkStatus();
  absl::StatusOr<Caller> admitted = Admit(context.access, server_context, rule);
  if (!admitted.ok()) return admitted.status();
  *caller = *std::move(admitted);
  return absl::OkStatus();
}

std::shared_ptr<ClientLimits::Client> FindClient(const PublisherContext& context,
                                                 const grpc::ServerContext& server_context,
                                                 const absl::optional<Caller>& caller) {
  return context.limits->Find(caller.has_value() ? caller->identity()
                                                 : ClientAddressOfPeer(server_context.peer()));
}

void MakeOperations(PublisherContext* context, absl::Span<const v1::Message* const> messages,
                    const PublishOrigin& origin, OperationStorage* storage, PublishBatch* batch) {
  if (origin.trace != nullptr) storage->trace_headers = origin.trace->headers();
  int64_t bytes_max = context->transport->max_payload_bytes();
  if (const int64_t max = context->options.message_bytes_max; max > 0) {
    bytes_max = std::min(bytes_max, max);
  }
  FillOperations(messages, bytes_max, context->clock->WallNow(), &context->ids, storage, batch);
  if (origin.caller.has_value()) {
    context->access->RejectSubjects(*origin.caller, origin.rule->method, batch);
  }
}

absl::Status CheckBatchSize(const PublisherContext& context, int64_t message_count) {
  const int64_t max = context.options.batch_messages_max;
  if (message_count >= 1 && message_count <= max) return absl::OkStatus();
  return error::BatchInvalid(message_count, max);
}

SteadyTime CallerDeadline(const grpc::ServerContext& server_context, SteadyTime now) {
  const auto deadline = server_context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return SteadyTime::max();
  const auto remaining = deadline - std::chrono::system_clock::now();
  // Longer than anybody waits; also keeps the sum in range.
  if (remaining > std::chrono::hours(24)) return SteadyTime::max();
  return now + std::chrono::duration_cast<SteadyTime::duration>(remaining);
}

}  // namespace router
