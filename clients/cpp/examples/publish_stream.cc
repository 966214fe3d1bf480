// Publishes a thousand messages through a stream: publish_stream HOST:PORT SUBJECT
#include <atomic>
#include <iostream>
#include <string>

#include "clients/cpp/channel.h"
#include "clients/cpp/stream_publisher.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  router::client::ChannelOptions channel_options;
  channel_options.target = argv[1];

  std::atomic<int> safe{0};  // Outlives the publisher, whose callbacks use it.
  router::client::StreamPublisherOptions options;
  options.full_window_wait = absl::Seconds(5);
  router::client::StreamPublisher publisher(router::client::MakeChannel(channel_options), options);

  for (int i = 0; i < 1000; ++i) {
    router::v1::Message message;
    message.set_subject(argv[2]);
    message.set_payload("message " + std::to_string(i));
    const absl::Status taken = publisher.Publish(
        std::move(message), [&safe](const router::v1::Message& message,
                                    absl::StatusOr<router::v1::PublishResult> result) {
          if (!result.ok()) {
            std::cerr << message.message_id() << ": " << result.status().message() << "\n";
          } else if (result->outcome() != router::v1::PUBLISH_OUTCOME_DROPPED) {
            ++safe;
          }
        });
    if (!taken.ok()) std::cerr << taken.message() << "\n";
  }
  if (!publisher.Flush(absl::Seconds(30))) std::cerr << "some messages have no answer yet\n";
  std::cout << safe << " of 1000 messages are safe\n";
  return safe == 1000 ? 0 : 1;
}
