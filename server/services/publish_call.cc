#include "server/services/publish_call.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>
#include <grpcpp/support/byte_buffer.h>

#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "server/base/client_address.h"
#include "server/errors/errors.h"
#include "server/errors/status_conversion.h"
#include "server/services/completion_tag.h"
#include "server/services/publish_request.h"
#include "server/services/publish_trace.h"
#include "server/validation/validation.h"

namespace router {
namespace {

// Unary calls come in bursts: from how few waiting handlers on there are more, and up to how many
// finished ones wait again. kKeptBytesMax: with how much memory of their last call each.
struct WaitingLimits {
  int few;
  int enough;
};

// On average, where a request has as many messages as it may.
constexpr int64_t kFieldsPerMessageMax = 64;

using Writer = grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>;

struct PublishMethod {
  static constexpr absl::string_view kName = "Publish";
  static constexpr WaitingLimits kWaiting = {64, 128};
  static constexpr size_t kKeptBytesMax = 64 << 10;
  static constexpr auto kWaitingCount = &PublishQueue::waiting_publish;
  using Request = v1::PublishRequest;
  using Response = v1::PublishResponse;
  using Messages = std::array<const v1::Message*, 1>;

  static void Await(PublisherContext* context, grpc::ServerContext* server_context,
                    grpc::ByteBuffer* bytes, Writer* writer, grpc::ServerCompletionQueue* queue,
                    void* tag) {
    context->service.RequestPublish(server_context, bytes, writer, queue, queue, tag);
  }
  static GrpcMethodMetrics* Metrics(const PublisherContext& context) {
    return context.publish_metrics;
  }
  static const MethodRule* Rule() {
    static const MethodRule* const rule = FindMethodRule(kPublisherService, kName);
    return rule;
  }
  static Messages MessagesOf(const Request& request) { return {&request.message()}; }
  static absl::Status Check(const PublisherContext&, int64_t* message_count) {
    *message_count = 1;  // However often it comes.
    return absl::OkStatus();
  }

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
  using Messages = absl::Span<const v1::Message* const>;

  static void Await(PublisherContext* context, grpc::ServerContext* server_context,
                    grpc::ByteBuffer* bytes, Writer* writer, grpc::ServerCompletionQueue* queue,
                    void* tag) {
    context->service.RequestPublishBatch(server_context, bytes, writer, queue, queue, tag);
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
  static absl::Status Check(const PublisherContext& context, int64_t* message_count) {
    return CheckBatchSize(context, *message_count);
  }

  static absl::Status Fill(const std::vector<Operation>& operations, Response* response) {
    response->mutable_results()->Reserve(static_cast<int>(operations.size()));
    for (const Operation& operation : operations) ToProto(operation, response->add_results());
    return absl::OkStatus();
  }
};

// One call of Publish or PublishBatch after the other: waits for a request, has its turn, hands it
// to the dispatcher as a batch, answers when the batch is done, and when the answer is out waits
// again, in the same memory, or deletes itself.
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
  using Request = typename Method::Request;
  using Response = typename Method::Response;

  // What gRPC wants anew for each call.
  struct Rpc {
    grpc::ServerContext server_context;
    Writer responder{&server_context};
  };

  int& waiting() { return queue_->*Method::kWaitingCount; }

  void Await() {
    ++waiting();
    rpc_.emplace();
    Method::Await(context_, &rpc_->server_context, &bytes_, &rpc_->responder, queue_->calls.get(),
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
    Reset(0);
    const absl::StatusOr<bool> has_turn = Enter();
    if (!has_turn.ok()) return Finish(has_turn.status());
    if (!*has_turn) return queue_->turns.Wait(this);
    OnTurn();
  }

  // Whether it may be published now; errors are answers.
  absl::StatusOr<bool> Enter() {
    absl::Status admitted = AdmitCaller(*context_, rpc_->server_context, Method::Rule(), &caller_);
    if (!admitted.ok()) return admitted;
    absl::StatusOr<int64_t> count = CountMessages(*context_, &bytes_, error::RequestInvalid);
    if (!count.ok()) return count.status();
    if (absl::Status checked = Method::Check(*context_, &*count); !checked.ok()) return checked;
    return queue_->turns.Enter(this, FindClient(*context_, rpc_->server_context, caller_),
                               {*count, static_cast<int64_t>(bytes_.Length())});
  }

  void OnTurn() override {
    if (!Parse(&bytes_, &request_)) return Finish(error::RequestInvalid());
    const typename Method::Messages messages = Method::MessagesOf(request_);
    Reset(messages.size());
    caller_deadline = CallerDeadline(rpc_->server_context, context_->clock->SteadyNow());
    storage_.Clear();
    MakeOperations(context_, messages, {Method::Rule(), caller_, trace_.get()}, &storage_, this);
    queue_->Publish(this);
  }

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
    bytes_.Clear();
    const grpc::Status grpc_status = ToGrpcStatus(status);
    const absl::Duration duration = absl::FromChrono(context_->clock->SteadyNow() - start_time);
    Method::Metrics(*context_)->Handled(grpc_status.error_code(), duration);
    if (trace_ != nullptr) {
      trace_->End(Method::kName, this, status, context_->clock->WallNow(), duration);
    }
    if (grpc_status.ok()) {
      grpc::ByteBuffer output;
      bool owns_output = false;  // It does; gRPC's own types ask.
      grpc::SerializationTraits<Response>::Serialize(response_, &output, &owns_output);
      rpc_->responder.Finish(output, grpc_status, &finished_);
    } else {
      rpc_->responder.FinishWithError(grpc_status, &finished_);
    }
  }

  // The answer is out, or its caller gone: until then it takes memory.
  void OnFinished(bool) {
    queue_->turns.Leave(this);
    if (waiting() < Method::kWaiting.enough && !IsLarge()) return Await();
    delete this;
  }

  // Whether it has taken more memory than a handler may keep that waits for another call.
  bool IsLarge() {
    size_t bytes = storage_.SpaceUsed() + static_cast<size_t>(response_.GetCachedSize()) +
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
  grpc::ByteBuffer bytes_;  // What the caller has sent, until it is parsed.
  Request request_;
  Response response_;
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
  const int64_t bytes_max =
      MaxPayloadBytes(context->transport->max_payload_bytes(), context->options.message_bytes_max);
  FillOperations(messages, bytes_max, context->clock->WallNow(), &context->ids, storage, batch);
  if (origin.caller.has_value()) {
    context->access->RejectSubjects(*origin.caller, origin.rule->method, batch);
  }
}

absl::StatusOr<int64_t> CountMessages(const PublisherContext& context, grpc::ByteBuffer* bytes,
                                      absl::Status (*invalid)()) {
  const int64_t messages_max = context.options.batch_messages_max;
  const int64_t fields_max = messages_max * kFieldsPerMessageMax;
  const absl::optional<PublishRequestShape> shape = ShapeOf(bytes, messages_max, fields_max);
  if (!shape.has_value()) return invalid();
  if (shape->messages > messages_max) return error::BatchInvalid(shape->messages, messages_max);
  if (shape->fields > fields_max) return error::TooManyFields(fields_max);
  return shape->messages;
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
