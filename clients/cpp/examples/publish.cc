// Publishes one message: publish HOST:PORT SUBJECT PAYLOAD
#include <iostream>

#include "clients/cpp/channel.h"
#include "clients/cpp/errors.h"
#include "clients/cpp/publisher.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  router::client::ChannelOptions options;
  options.target = argv[1];
  router::client::Publisher publisher(router::client::MakeChannel(options));

  router::v1::Message message;
  message.set_subject(argv[2]);
  message.set_payload(argv[3]);
  message.set_message_id(publisher.NewMessageId());  // Publishing again with it settles any doubt.

  const absl::StatusOr<router::v1::PublishResult> result = publisher.Publish(message);
  if (!result.ok()) {
    const auto info = router::client::ErrorInfoOf(result.status());
    std::cerr << (info.has_value() ? info->reason() : "no answer") << ": "
              << result.status().message() << "\n";
    return 1;
  }
  std::cout << router::v1::PublishOutcome_Name(result->outcome()) << " " << result->message_id()
            << "\n";
  return 0;
}
