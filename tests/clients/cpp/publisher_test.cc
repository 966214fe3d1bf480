#include "clients/cpp/publisher.h"

#include <gtest/gtest.h>

#include "clients/cpp/channel.h"
#include "clients/cpp/errors.h"
#include "tests/clients/fake_router.h"

namespace router::client {
namespace {

using testing::FakeRouter;
using testing::RouterError;

const grpc::Status kDraining =
    RouterError(grpc::StatusCode::UNAVAILABLE, "the router is shutting down", "DRAINING");

v1::Message MakeMessage(const std::string& subject) {
  v1::Message message;
  message.set_subject(subject);
  message.set_payload("payload");
  return message;
}

class PublisherTest : public ::testing::Test {
 protected:
  std::shared_ptr<grpc::Channel> Channel(int attempts_max = 5) {
    ChannelOptions options;
    options.target = router_.address();
    options.attempts_max = attempts_max;
    return MakeChannel(options);
  }

  FakeRouter router_;
};

TEST_F(PublisherTest, ReturnsTheOutcomeOfAMessage) {
  Publisher publisher(Channel());
  v1::Message message = MakeMessage("orders.created");
  message.set_message_id("mine");
  const auto result = publisher.Publish(message);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outcome(), v1::PUBLISH_OUTCOME_DELIVERED);
  EXPECT_EQ(result->message_id(), "mine");
  EXPECT_EQ(result->stream(), "DEMO");
  EXPECT_EQ(result->sequence(), 1u);
}

TEST_F(PublisherTest, TriesAgainWithTheSameMessageIdWhenTheRouterIsUnavailable) {
  router_.publisher().FailNextCalls({kDraining, kDraining});
  Publisher publisher(Channel());
  const auto result = publisher.Publish(MakeMessage("orders.created"));
  ASSERT_TRUE(result.ok()) << result.status();
  const auto received = router_.publisher().received();
  ASSERT_EQ(received.size(), 3u);
  EXPECT_FALSE(received[0].message_id().empty());
  EXPECT_EQ(received[1].message_id(), received[0].message_id());
  EXPECT_EQ(received[2].message_id(), received[0].message_id());
}

TEST_F(PublisherTest, RetriesBatchesWithTheSameMessageIds) {
  router_.publisher().FailNextCalls({kDraining});
  Publisher publisher(Channel());
  const auto results = publisher.PublishBatch({MakeMessage("a"), MakeMessage("b")});
  ASSERT_TRUE(results.ok()) << results.status();
  const auto received = router_.publisher().received();
  ASSERT_EQ(received.size(), 4u);
  EXPECT_NE(received[0].message_id(), received[1].message_id());
  EXPECT_EQ(received[2].message_id(), received[0].message_id());
  EXPECT_EQ(received[3].message_id(), received[1].message_id());
}

TEST_F(PublisherTest, TriesOnceWhereRetriesAreOff) {
  router_.publisher().FailNextCalls({kDraining});
  Publisher publisher(Channel(/*attempts_max=*/1));
  const auto result = publisher.Publish(MakeMessage("orders.created"));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(router_.publisher().received().size(), 1u);
}

TEST_F(PublisherTest, RetriesMessagesOfAMegabyte) {
  router_.publisher().FailNextCalls({kDraining});
  Publisher publisher(Channel());
  v1::Message message = MakeMessage("orders.created");
  message.set_payload(std::string(1 << 20, 'x'));
  EXPECT_TRUE(publisher.Publish(message).ok());
}

TEST_F(PublisherTest, DoesNotRetryOtherErrorsAndKeepsTheirDetails) {
  Publisher publisher(Channel());
  const auto result = publisher.Publish(MakeMessage("reject.me"));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(result.status().message(), "the queue is full");
  const auto info = ErrorInfoOf(result.status());
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason(), "PENDING_QUEUE_FULL");
  EXPECT_EQ(info->metadata().at("limit"), "10");
  EXPECT_EQ(RetryDelayOf(result.status()), absl::Seconds(2));
  EXPECT_EQ(router_.publisher().received().size(), 1u);
}

TEST_F(PublisherTest, AlwaysHasADeadline) {
  Publisher publisher(Channel(), {absl::Seconds(7)});
  ASSERT_TRUE(publisher.Publish(MakeMessage("orders.created")).ok());
  EXPECT_LE(router_.publisher().last_time_left(), absl::Seconds(8));
  EXPECT_GT(router_.publisher().last_time_left(), absl::Seconds(0));
  ASSERT_TRUE(publisher.PublishBatch({MakeMessage("orders.created")}).ok());
  EXPECT_LE(router_.publisher().last_time_left(), absl::Seconds(8));
}

TEST_F(PublisherTest, BatchHasOneResultForEachMessageInOrder) {
  Publisher publisher(Channel());
  const auto results = publisher.PublishBatch(
      {MakeMessage("orders"), MakeMessage("reject.me"), MakeMessage("queue.me")});
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->size(), 3u);
  EXPECT_EQ((*results)[0].outcome(), v1::PUBLISH_OUTCOME_DELIVERED);
  EXPECT_EQ((*results)[1].outcome(), v1::PUBLISH_OUTCOME_REJECTED);
  EXPECT_EQ((*results)[2].outcome(), v1::PUBLISH_OUTCOME_QUEUED);
}

TEST_F(PublisherTest, IsUnavailableWhereNoRouterIs) {
  ChannelOptions options;
  options.target = "127.0.0.1:1";
  Publisher publisher(MakeChannel(options), {absl::Seconds(20)});
  const auto result = publisher.Publish(MakeMessage("orders.created"));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(ErrorInfoOf(result.status()).has_value());
}

TEST(MessageIdsTest, NeverMakesAnIdTwice) {
  MessageIds one;
  MessageIds other;
  const std::string first = one.Next();
  EXPECT_NE(first, one.Next());
  EXPECT_NE(first, other.Next());
  EXPECT_LE(first.size(), 128u);
}

}  // namespace
}  // namespace router::client
