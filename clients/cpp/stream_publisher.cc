#include "clients/cpp/stream_publisher.h"

#include <utility>

#include "clients/cpp/stream_engine.h"

namespace router::client {

StreamPublisher::StreamPublisher(std::shared_ptr<grpc::ChannelInterface> channel,
                                 const StreamPublisherOptions& options)
    : engine_(std::make_shared<Engine>(std::move(channel), options)) {
  engine_->Start();
}

StreamPublisher::~StreamPublisher() { engine_->Stop(); }

absl::Status StreamPublisher::Publish(v1::Message message, PublishCallback done) {
  return engine_->Publish(std::move(message), std::move(done));
}

std::future<absl::StatusOr<v1::PublishResult>> StreamPublisher::Publish(v1::Message message) {
  using Result = absl::StatusOr<v1::PublishResult>;
  const auto promise = std::make_shared<std::promise<Result>>();
  std::future<Result> answer = promise->get_future();
  const absl::Status taken = engine_->Publish(
      std::move(message),
      [promise](const v1::Message&, Result result) { promise->set_value(std::move(result)); });
  if (!taken.ok()) promise->set_value(taken);
  return answer;
}

bool StreamPublisher::Flush(absl::Duration timeout) { return engine_->Flush(timeout); }

StreamPublisherStats StreamPublisher::stats() const { return engine_->stats(); }

}  // namespace router::client
