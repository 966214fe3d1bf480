#include "transports/inproc/inproc_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace router {
namespace {

using ::testing::ElementsAre;

class InprocStreamTest : public ::testing::Test {
 protected:
  static Message MakeMessage(absl::string_view id, absl::string_view payload = "payload") {
    Message message;
    message.subject = "s";
    message.payload = payload;
    message.message_id = id;
    return message;
  }

  static std::vector<std::string> Ids(const InprocStream& stream) {
    std::vector<std::string> ids;
    for (const InprocStoredMessage& message : stream.Messages()) ids.push_back(message.message_id);
    return ids;
  }

  InprocOptions options_;
  SteadyTime now_;
};

TEST_F(InprocStreamTest, NumbersFromOne) {
  InprocStream stream(options_);
  EXPECT_EQ(stream.Store(MakeMessage("a"), now_).sequence, 1u);
  EXPECT_EQ(stream.Store(MakeMessage("b"), now_).sequence, 2u);
}

TEST_F(InprocStreamTest, KnowsAnIdInsideTheWindowOnly) {
  options_.duplicate_window = absl::Seconds(10);
  InprocStream stream(options_);
  stream.Store(MakeMessage("a"), now_);
  now_ += std::chrono::seconds(9);
  EXPECT_TRUE(stream.Store(MakeMessage("a"), now_).duplicate);
  now_ += std::chrono::seconds(1);
  const InprocStream::StoreResult again = stream.Store(MakeMessage("a"), now_);
  EXPECT_FALSE(again.duplicate);
  EXPECT_EQ(again.sequence, 2u);
}

TEST_F(InprocStreamTest, ForgetsTheOldestIdsPastTheirLimit) {
  options_.duplicates_max = 2;
  InprocStream stream(options_);
  for (const char* id : {"a", "b", "c"}) stream.Store(MakeMessage(id), now_);
  EXPECT_TRUE(stream.Store(MakeMessage("b"), now_).duplicate);
  EXPECT_TRUE(stream.Store(MakeMessage("c"), now_).duplicate);
  EXPECT_FALSE(stream.Store(MakeMessage("a"), now_).duplicate);
}

TEST_F(InprocStreamTest, DropsTheOldestMessagesPastTheCount) {
  options_.messages_max = 2;
  InprocStream stream(options_);
  for (const char* id : {"a", "b", "c"}) stream.Store(MakeMessage(id), now_);
  EXPECT_THAT(Ids(stream), ElementsAre("b", "c"));
  EXPECT_EQ(stream.Messages().front().sequence, 2u);
}

TEST_F(InprocStreamTest, DropsTheOldestMessagesPastTheBytes) {
  options_.bytes_max = 25;
  InprocStream stream(options_);
  for (const char* id : {"a", "b", "c"}) stream.Store(MakeMessage(id, "0123456789"), now_);
  EXPECT_THAT(Ids(stream), ElementsAre("b", "c"));
}

TEST_F(InprocStreamTest, CountsHeadersTowardsTheLargestSize) {
  options_.max_payload_bytes = 10;
  InprocStream stream(options_);
  const Header header = {"key", "value"};
  Message message = MakeMessage("a", "12");
  message.headers = absl::MakeConstSpan(&header, 1);
  EXPECT_FALSE(stream.Store(message, now_).too_large);
  message = MakeMessage("b", "123");
  message.headers = absl::MakeConstSpan(&header, 1);
  EXPECT_TRUE(stream.Store(message, now_).too_large);
  EXPECT_THAT(Ids(stream), ElementsAre("a"));
}

TEST_F(InprocStreamTest, IgnoresAnIdTheCallerDidNotChooseOnReceivedMessages) {
  InprocStream stream(options_);
  Message message = MakeMessage("a");
  message.guarantee = Guarantee::kReceived;
  stream.Store(message, now_);
  EXPECT_FALSE(stream.Store(message, now_).duplicate);
  message.caller_chose_id = true;
  stream.Store(message, now_);
  EXPECT_TRUE(stream.Store(message, now_).duplicate);
  EXPECT_THAT(Ids(stream), ElementsAre("", "", "a"));
}

}  // namespace
}  // namespace router
