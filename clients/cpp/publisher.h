// Publisher hands messages to a router call by call. For many messages at full speed see
// stream_publisher.h.
//
//   auto publisher = router::client::Publisher(router::client::MakeChannel({}));
//   router::v1::Message message;
//   message.set_subject("orders.created");
//   message.set_payload("...");
//   absl::StatusOr<router::v1::PublishResult> result = publisher.Publish(message);
#ifndef ROUTER_CLIENTS_CPP_PUBLISHER_H_
#define ROUTER_CLIENTS_CPP_PUBLISHER_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "clients/cpp/message_ids.h"
#include "grpcpp/channel.h"
#include "router/v1/publisher.grpc.pb.h"

namespace router::client {

struct PublisherOptions {
  // Deadline of every call, all its attempts together.
  absl::Duration timeout = absl::Seconds(10);
};

// Thread-safe. Every call has a deadline, and every message has an id before it is sent for the
// first time, so a call that is tried again (see ChannelOptions::attempts_max) publishes nothing
// twice.
class Publisher {
 public:
  explicit Publisher(std::shared_ptr<grpc::ChannelInterface> channel,
                     PublisherOptions options = {});

  // Publishes one message and waits for its outcome: DELIVERED, QUEUED or DROPPED. DROPPED is an OK
  // result too: look at `outcome` where the difference matters.
  //
  // An error means that the message was not accepted and is still the caller's; errors.h reads its
  // reason. After DEADLINE_EXCEEDED, CANCELLED or UNAVAILABLE it may have been accepted all the
  // same: publishing it again with the same message id settles it. A caller who wants to do that
  // over several calls gives the message an id (NewMessageId).
  absl::StatusOr<v1::PublishResult> Publish(v1::Message message);

  // Publishes up to 10,000 messages, at most 4 MB together. One result for each, in the same order;
  // REJECTED is an outcome here. An error means that none of them was looked at, but for the codes
  // named above, after which any of them may have been accepted.
  absl::StatusOr<std::vector<v1::PublishResult>> PublishBatch(std::vector<v1::Message> messages);

  std::string NewMessageId() { return ids_.Next(); }

 private:
  const std::unique_ptr<v1::PublisherService::Stub> stub_;
  const PublisherOptions options_;
  MessageIds ids_;
};

}  // namespace router::client

#endif  // ROUTER_CLIENTS_CPP_PUBLISHER_H_
