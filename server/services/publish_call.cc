#include "server/services/publish_call.h"

#include <array>
#include <chrono>
#include <memory>
#include <utility>

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>

#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "server/errors/errors.h"
#include "server/errors/status_conversion.h"
#include "server/services/completion_tag.h"

namespace router {
namespace {

struct PublishMethod {
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
    static const MethodRule* const rule = FindMethodRule(kPublisherService, "Publish");
    return rule;
  }
  static Messages MessagesOf(const Request& request) { return {&request.message()}; }
  static absl::Status Check(const Request&) { return absl::OkStatus(); }

  static absl::Status Fill(const std::vector<Operation>& operations, Response* response) {
    const Operation& operation = operations.front();
    if (operation.outcome == Outcome::kRejected) return operation.status;
    ToProto(operation, response->mutable_result());
    return absl::OkStatus();
  }
};

struct PublishBatchMethod {
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
    static const MethodRule* const rule = FindMethodRule(kPublisherService, "PublishBatch");
    return rule;
  }
  static Messages MessagesOf(const Request& request) {
    return absl::MakeConstSpan(request.messages().data(), request.messages_size());
  }
  static absl::Status Check(const Request& request) {
    return CheckBatchSize(request.messages_size());
  }

  static absl::Status Fill(const std::vector<Operation>& operations, Response* response) {
    response->mutable_results()->Reserve(static_cast<int>(operations.size()));
    for (const Operation& operation : operations) ToProto(operation, response->add_results());
    return absl::OkStatus();
  }
};

// One call of Publish or PublishBatch: waits for a request, hands it to the dispatcher as a batch,
// answers when the batch is done, and deletes itself when the answer is out.
template <typename Method>
class UnaryCall {
 public:
  UnaryCall(PublisherContext* context, grpc::ServerCompletionQueue* queue)
      : context_(context), queue_(queue), responder_(&server_context_) {
    context->handlers.Add();
    Method::Await(context, &server_context_, &request_, &responder_, queue, &requested_);
  }

  ~UnaryCall() { context_->handlers.Remove(); }

 private:
  // The batch tells its call.
  class Batch final : public PublishBatch {
   public:
    Batch(UnaryCall* call, size_t count) : PublishBatch(count), call_(call) {}

   private:
    void Done() override { call_->Answer(); }
    UnaryCall* const call_;
  };

  void OnRequested(bool ok) {
    if (!ok) {  // The server is shutting down.
      delete this;
      return;
    }
    new UnaryCall(context_, queue_);
    start_time_ = context_->clock->SteadyNow();
    if (context_->access != nullptr) {
      absl::StatusOr<Caller> caller = Admit(context_->access, server_context_, Method::Rule());
      if (!caller.ok()) return Finish(caller.status());
      caller_ = *std::move(caller);
    }
    const absl::Status checked = Method::Check(request_);
    if (!checked.ok()) return Finish(checked);
    const typename Method::Messages messages = Method::MessagesOf(request_);
    batch_.emplace(this, messages.size());
    batch_->start_time = start_time_;
    batch_->caller_deadline = CallerDeadline(server_context_, start_time_);
    FillOperations(messages, context_->transport->max_payload_bytes(), context_->clock->WallNow(),
                   &context_->ids, &storage_, &*batch_);
    if (caller_.has_value()) {
      context_->access->RejectSubjects(*caller_, Method::Rule()->method, &*batch_);
    }
    context_->dispatcher->Publish(&*batch_);
  }

  void Answer() { Finish(Method::Fill(batch_->operations(), &response_)); }

  void Finish(const absl::Status& status) {
    const grpc::Status grpc_status = ToGrpcStatus(status);
    Method::Metrics(*context_)->Handled(
        grpc_status.error_code(), absl::FromChrono(context_->clock->SteadyNow() - start_time_));
    if (grpc_status.ok()) {
      responder_.Finish(response_, grpc_status, &finished_);
    } else {
      responder_.FinishWithError(grpc_status, &finished_);
    }
  }

  void OnFinished(bool) { delete this; }

  PublisherContext* const context_;
  grpc::ServerCompletionQueue* const queue_;
  MemberTag<UnaryCall> requested_{this, &UnaryCall::OnRequested};
  MemberTag<UnaryCall> finished_{this, &UnaryCall::OnFinished};
  grpc::ServerContext server_context_;
  typename Method::Request request_;
  typename Method::Response response_;
  typename Method::Writer responder_;
  absl::optional<Caller> caller_;  // Where there is access control.
  OperationStorage storage_;
  absl::optional<Batch> batch_;
  SteadyTime start_time_;
};

}  // namespace

void AwaitPublish(PublisherContext* context, grpc::ServerCompletionQueue* queue) {
  new UnaryCall<PublishMethod>(context, queue);
}

void AwaitPublishBatch(PublisherContext* context, grpc::ServerCompletionQueue* queue) {
  new UnaryCall<PublishBatchMethod>(context, queue);
}

absl::Status CheckBatchSize(int64_t message_count) {
  if (message_count >= 1 && message_count <= kBatchMessagesMax) return absl::OkStatus();
  return error::BatchInvalid(message_count, kBatchMessagesMax);
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
