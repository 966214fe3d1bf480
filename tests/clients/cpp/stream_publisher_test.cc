#include "clients/cpp/stream_publisher.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "clients/cpp/channel.h"
#include "clients/cpp/errors.h"
#include "tests/clients/fake_router.h"

namespace router::client {
namespace {

using testing::FakeRouter;

constexpr absl::Duration kPatience = absl::Seconds(30);

v1::Message MakeMessage(const std::string& subject, const std::string& payload = "payload") {
  v1::Message message;
  message.set_subject(subject);
  message.set_payload(payload);
  return message;
}

// Collects what callbacks are told.
class Answers {
 public:
  PublishCallback Callback() {
    return [this](const v1::Message& message, const absl::StatusOr<v1::PublishResult>& result) {
      absl::MutexLock lock(&mutex_);
      payloads_.push_back(message.payload());
      results_[message.message_id()].push_back(result);
    };
  }
  std::vector<std::string> payloads() const {
    absl::MutexLock lock(&mutex_);
    return payloads_;
  }
  std::map<std::string, std::vector<absl::StatusOr<v1::PublishResult>>> results() const {
    absl::MutexLock lock(&mutex_);
    return results_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<std::string> payloads_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::vector<absl::StatusOr<v1::PublishResult>>> results_
      ABSL_GUARDED_BY(mutex_);
};

class StreamPublisherTest : public ::testing::Test {
 protected:
  StreamPublisherTest() {
    options_.reopen_delay_min = absl::Milliseconds(1);
    options_.reopen_delay_max = absl::Milliseconds(10);
  }

  std::shared_ptr<grpc::Channel> Channel() {
    ChannelOptions options;
    options.target = router_.address();
    return MakeChannel(options);
  }

  // Publishes messages whose payloads are 0, 1, 2, …
  void PublishNumbers(StreamPublisher& publisher, int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(
          publisher.Publish(MakeMessage("orders", absl::StrCat(i)), answers_.Callback()).ok());
    }
  }

  void ExpectEachAnsweredOnceWithOk(size_t count) {
    const auto results = answers_.results();
    EXPECT_EQ(results.size(), count);
    for (const auto& [id, answers] : results) {
      EXPECT_EQ(answers.size(), 1u) << id;
      EXPECT_TRUE(answers[0].ok()) << answers[0].status();
    }
  }

  FakeRouter router_;
  StreamPublisherOptions options_;
  Answers answers_;
};

TEST_F(StreamPublisherTest, MatchesOutcomesToMessages) {
  StreamPublisher publisher(Channel(), options_);
  auto delivered = publisher.Publish(MakeMessage("orders"));
  auto queued = publisher.Publish(MakeMessage("queue.orders"));
  auto dropped = publisher.Publish(MakeMessage("drop.orders"));
  auto rejected = publisher.Publish(MakeMessage("reject.orders"));
  auto duplicate = publisher.Publish(MakeMessage("duplicate.orders"));
  ASSERT_TRUE(publisher.Flush(kPatience));

  const auto first = delivered.get();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->outcome(), v1::PUBLISH_OUTCOME_DELIVERED);
  EXPECT_EQ(first->stream(), "DEMO");
  EXPECT_EQ(first->sequence(), 1u);
  EXPECT_EQ(first->message_id(), router_.publisher().received()[0].message_id());
  const auto second = queued.get();
  EXPECT_EQ(second->outcome(), v1::PUBLISH_OUTCOME_QUEUED);
  EXPECT_EQ(second->operation_id(), 2u);
  EXPECT_EQ(dropped.get()->outcome(), v1::PUBLISH_OUTCOME_DROPPED);
  const auto refused = rejected.get();
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorInfoOf(refused.status())->reason(), "PENDING_QUEUE_FULL");
  EXPECT_TRUE(duplicate.get()->duplicate());
}

TEST_F(StreamPublisherTest, NumbersOfARangeGoOnOneByOne) {
  options_.linger = absl::Hours(1);
  StreamPublisher publisher(Channel(), options_);
  std::vector<std::future<absl::StatusOr<v1::PublishResult>>> answers;
  for (int i = 0; i < 5; ++i) answers.push_back(publisher.Publish(MakeMessage("orders")));
  ASSERT_TRUE(publisher.Flush(kPatience));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(answers[i].get()->sequence(), i + 1u);
  EXPECT_EQ(router_.publisher().frame_sizes(), std::vector<int>({5}));
}

TEST_F(StreamPublisherTest, GivesEveryMessageAnIdOfItsOwnAndKeepsTheCallers) {
  StreamPublisher publisher(Channel(), options_);
  PublishNumbers(publisher, 3);
  v1::Message message = MakeMessage("orders");
  message.set_message_id("mine");
  ASSERT_TRUE(publisher.Publish(message, nullptr).ok());
  ASSERT_TRUE(publisher.Flush(kPatience));
  std::set<std::string> ids;
  for (const auto& received : router_.publisher().received()) ids.insert(received.message_id());
  EXPECT_EQ(ids.size(), 4u);
  EXPECT_EQ(ids.count("mine"), 1u);
  EXPECT_EQ(ids.count(""), 0u);
}

TEST_F(StreamPublisherTest, SendsAFrameWhenItsFirstMessageHasWaitedLongEnough) {
  options_.linger = absl::Milliseconds(5);
  StreamPublisher publisher(Channel(), options_);
  const auto answer = publisher.Publish(MakeMessage("orders"));
  EXPECT_EQ(answer.wait_for(std::chrono::seconds(30)), std::future_status::ready);
}

TEST_F(StreamPublisherTest, SendsAFrameWhenItIsFull) {
  options_.linger = absl::Hours(1);
  options_.frame_messages_max = 4;
  StreamPublisher publisher(Channel(), options_);
  PublishNumbers(publisher, 9);
  ASSERT_TRUE(router_.publisher().WaitForReceived(8));
  EXPECT_EQ(router_.publisher().frame_sizes(), std::vector<int>({4, 4}));
}

TEST_F(StreamPublisherTest, ResendsWhatIsUnansweredWithTheSameIdsInOrderAfterABreak) {
  options_.linger = absl::Hours(1);
  options_.frame_messages_max = 10;
  router_.publisher().BreakNextStream(
      50, grpc::Status(grpc::StatusCode::UNAVAILABLE, "the router is shutting down"));
  StreamPublisher publisher(Channel(), options_);
  PublishNumbers(publisher, 100);
  ASSERT_TRUE(publisher.Flush(kPatience));
  ExpectEachAnsweredOnceWithOk(100);
  EXPECT_EQ(publisher.stats().streams_opened, 2);
  EXPECT_GE(publisher.stats().messages_resent, 10);

  // What was sent on each stream is a run of consecutive numbers, and every number has one id.
  std::map<std::string, std::string> ids;
  int expected = 0;
  bool resent = false;
  for (const auto& message : router_.publisher().received()) {
    const auto [known, is_new] = ids.emplace(message.payload(), message.message_id());
    EXPECT_EQ(known->second, message.message_id()) << message.payload();
    if (!is_new && !resent) {
      resent = true;
      expected = std::stoi(message.payload());
    }
    EXPECT_EQ(message.payload(), absl::StrCat(expected++));
  }
  EXPECT_TRUE(resent);
  EXPECT_EQ(expected, 100);
}

TEST_F(StreamPublisherTest, OpensTheStreamAgainAfterTheRouterEndedItInOrder) {
  router_.publisher().BreakNextStream(1, grpc::Status::OK);
  StreamPublisher publisher(Channel(), options_);
  PublishNumbers(publisher, 1);
  ASSERT_TRUE(publisher.Flush(kPatience));
  ExpectEachAnsweredOnceWithOk(1);
  EXPECT_EQ(router_.publisher().streams(), 2);
}

TEST_F(StreamPublisherTest, UnderstandsAnswersInAnotherOrder) {
  options_.frame_messages_max = 2;
  options_.linger = absl::Hours(1);
  router_.publisher().AnswerNextStreamBackwards();
  StreamPublisher publisher(Channel(), options_);
  PublishNumbers(publisher, 4);
  ASSERT_TRUE(publisher.Flush(kPatience));
  ExpectEachAnsweredOnceWithOk(4);
  EXPECT_EQ(answers_.payloads(), std::vector<std::string>({"2", "3", "0", "1"}));
  EXPECT_EQ(publisher.stats().streams_opened, 1);
}

TEST_F(StreamPublisherTest, GivesUpAStreamThatAnswersWhatWasNotAsked) {
  router_.publisher().AnswerNextStreamWrongly();
  StreamPublisher publisher(Channel(), options_);
  PublishNumbers(publisher, 3);
  ASSERT_TRUE(publisher.Flush(kPatience));
  ExpectEachAnsweredOnceWithOk(3);
  EXPECT_EQ(publisher.stats().streams_opened, 2);
}

TEST_F(StreamPublisherTest, FailsEverythingWhereTheRouterRefusesTheStream) {
  router_.publisher().BreakNextStream(
      1, grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "not for you"));
  StreamPublisher publisher(Channel(), options_);
  auto answer = publisher.Publish(MakeMessage("orders"));
  ASSERT_TRUE(publisher.Flush(kPatience));
  EXPECT_EQ(answer.get().status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(publisher.Publish(MakeMessage("orders"), answers_.Callback()).ok());
  ASSERT_TRUE(publisher.Flush(kPatience));
  ExpectEachAnsweredOnceWithOk(1);
}

TEST_F(StreamPublisherTest, RefusesAtOnceWhereTheWindowIsFullAndTakesMoreWhenItIsNot) {
  options_.window_messages_max = 10;
  options_.full_window_wait = absl::ZeroDuration();
  router_.publisher().HoldAnswers();
  StreamPublisher publisher(Channel(), options_);
  PublishNumbers(publisher, 10);
  EXPECT_EQ(publisher.Publish(MakeMessage("orders"), answers_.Callback()).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(publisher.stats().window_messages, 10);
  router_.publisher().ReleaseAnswers();
  ASSERT_TRUE(publisher.Flush(kPatience));
  EXPECT_TRUE(publisher.Publish(MakeMessage("orders"), answers_.Callback()).ok());
}

TEST_F(StreamPublisherTest, BlocksWhileTheWindowIsFull) {
  options_.linger = absl::Hours(1);
  options_.frame_messages_max = 10;
  options_.window_messages_max = 10;
  options_.full_window_wait = kPatience;
  router_.publisher().HoldAnswers();
  StreamPublisher publisher(Channel(), options_);
  PublishNumbers(publisher, 10);
  std::atomic<bool> taken{false};
  std::thread blocked([&] {
    EXPECT_TRUE(publisher.Publish(MakeMessage("orders", "11th"), answers_.Callback()).ok());
    taken = true;
  });
  ASSERT_TRUE(router_.publisher().WaitForReceived(10));
  EXPECT_FALSE(taken);
  router_.publisher().ReleaseAnswers();
  blocked.join();
  ASSERT_TRUE(publisher.Flush(kPatience));
  ExpectEachAnsweredOnceWithOk(11);
}

TEST_F(StreamPublisherTest, BoundsTheWindowByBytes) {
  options_.window_bytes_max = 100'000;
  options_.full_window_wait = absl::ZeroDuration();
  router_.publisher().HoldAnswers();
  StreamPublisher publisher(Channel(), options_);
  int taken = 0;
  while (taken < 1000 &&
         publisher.Publish(MakeMessage("orders", std::string(10'000, 'x')), nullptr).ok()) {
    ++taken;
  }
  EXPECT_EQ(taken, 9);
  EXPECT_LE(publisher.stats().window_bytes, 100'000);
  router_.publisher().ReleaseAnswers();
  EXPECT_TRUE(publisher.Flush(kPatience));
}

TEST_F(StreamPublisherTest, RefusesMessagesThatTheRouterCouldNotRead) {
  options_.message_bytes_max = 1000;
  StreamPublisher publisher(Channel(), options_);
  EXPECT_EQ(publisher.Publish(MakeMessage("orders", std::string(1000, 'x')), nullptr).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(StreamPublisherTest, AnswersWithDeadlineExceededWhereTheRouterIsSilent) {
  options_.answer_timeout = absl::Milliseconds(50);
  router_.publisher().HoldAnswers();
  StreamPublisher publisher(Channel(), options_);
  auto answer = publisher.Publish(MakeMessage("orders"));
  EXPECT_EQ(answer.get().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(publisher.Flush(kPatience)) << "its place is free again";
  router_.publisher().ReleaseAnswers();
}

TEST_F(StreamPublisherTest, AnswersWithDeadlineExceededWhereNoRouterIs) {
  options_.answer_timeout = absl::Milliseconds(50);
  ChannelOptions channel_options;
  channel_options.target = "127.0.0.1:1";
  StreamPublisher publisher(MakeChannel(channel_options), options_);
  EXPECT_EQ(publisher.Publish(MakeMessage("orders")).get().status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST_F(StreamPublisherTest, AnswersWithCancelledWhenItIsDestroyed) {
  options_.linger = absl::Hours(1);
  options_.frame_messages_max = 5;
  router_.publisher().HoldAnswers();
  {
    StreamPublisher publisher(Channel(), options_);
    PublishNumbers(publisher, 5);
    ASSERT_TRUE(router_.publisher().WaitForReceived(5));
  }
  const auto results = answers_.results();
  ASSERT_EQ(results.size(), 5u);
  for (const auto& [id, answers] : results) {
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].status().code(), absl::StatusCode::kCancelled);
  }
}

TEST_F(StreamPublisherTest, EndsItsStreamInOrderWhenNothingIsUnanswered) {
  {
    StreamPublisher publisher(Channel(), options_);
    PublishNumbers(publisher, 5);
    ASSERT_TRUE(publisher.Flush(kPatience));
  }
  EXPECT_TRUE(router_.publisher().WaitForGoodbye());
}

TEST_F(StreamPublisherTest, FlushGivesUpInTime) {
  router_.publisher().HoldAnswers();
  StreamPublisher publisher(Channel(), options_);
  PublishNumbers(publisher, 1);
  EXPECT_FALSE(publisher.Flush(absl::Milliseconds(20)));
}

TEST_F(StreamPublisherTest, CallbacksMayPublishButAreNeverBlocked) {
  options_.window_messages_max = 1;
  options_.full_window_wait = 2 * kPatience;
  StreamPublisher publisher(Channel(), options_);
  absl::Status inside;
  ASSERT_TRUE(publisher
                  .Publish(MakeMessage("orders"),
                           [&](const v1::Message&, const auto&) {
                             inside = publisher.Publish(MakeMessage("orders"), nullptr);
                           })
                  .ok());
  ASSERT_TRUE(publisher.Flush(kPatience));
  EXPECT_EQ(inside.code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(StreamPublisherTest, TakesMessagesFromManyThreads) {
  options_.window_messages_max = 100;
  options_.frame_messages_max = 7;
  router_.publisher().BreakNextStream(500, grpc::Status(grpc::StatusCode::INTERNAL, "broken"));
  StreamPublisher publisher(Channel(), options_);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { PublishNumbers(publisher, 500); });
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(publisher.Flush(kPatience));
  ExpectEachAnsweredOnceWithOk(2000);
}

}  // namespace
}  // namespace router::client
