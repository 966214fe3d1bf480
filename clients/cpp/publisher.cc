#include "clients/cpp/publisher.h"

#include <utility>

#include "clients/cpp/errors.h"

namespace router::client {

Publisher::Publisher(std::shared_ptr<grpc::ChannelInterface> channel, PublisherOptions options)
    : stub_(v1::PublisherService::NewStub(std::move(channel))), options_(options) {}

absl::StatusOr<v1::PublishResult> Publisher::Publish(v1::Message message) {
  v1::PublishRequest request;
  *request.mutable_message() = std::move(message);
  if (request.message().message_id().empty()) {
    request.mutable_message()->set_message_id(ids_.Next());
  }
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + options_.timeout));
  v1::PublishResponse response;
  const grpc::Status status = stub_->Publish(&context, request, &response);
  if (!status.ok()) return FromGrpcStatus(status);
  return std::move(*response.mutable_result());
}

absl::StatusOr<std::vector<v1::PublishResult>> Publisher::PublishBatch(
    std::vector<v1::Message> messages) {
  v1::PublishBatchRequest request;
  for (v1::Message& message : messages) {
    if (message.message_id().empty()) message.set_message_id(ids_.Next());
    *request.add_messages() = std::move(message);
  }
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + options_.timeout));
  v1::PublishBatchResponse response;
  const grpc::Status status = stub_->PublishBatch(&context, request, &response);
  if (!status.ok()) return FromGrpcStatus(status);
  if (response.results_size() != request.messages_size()) {
    return absl::InternalError("the router answered another number of messages than were sent");
  }
  return std::vector<v1::PublishResult>(
      std::make_move_iterator(response.mutable_results()->begin()),
      std::make_move_iterator(response.mutable_results()->end()));
}

}  // namespace router::client
