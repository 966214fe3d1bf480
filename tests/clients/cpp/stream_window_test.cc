#include "clients/cpp/stream_window.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace router::client {
namespace {

using std::chrono::milliseconds;

class StreamWindowTest : public ::testing::Test {
 protected:
  StreamWindowTest() {
    options_.frame_messages_max = 3;
    options_.answer_timeout = absl::Milliseconds(100);
    options_.linger = absl::Milliseconds(2);
  }

  void Add(StreamWindow& window, const std::string& id, int payload_bytes = 10) {
    v1::Message message;
    message.set_message_id(id);
    message.set_payload(std::string(payload_bytes, 'x'));
    const auto bytes = static_cast<int64_t>(message.ByteSizeLong());
    window.Add(
        std::move(message), bytes, [](const v1::Message&, const auto&) {}, now_);
  }

  // The ids of a frame's messages.
  static std::vector<std::string> Ids(const std::shared_ptr<StreamFrame>& frame) {
    std::vector<std::string> ids;
    if (frame == nullptr) return ids;
    for (const auto& message : frame->request.messages()) ids.push_back(message.message_id());
    return ids;
  }

  // The ids and outcomes of what is settled, after the callbacks.
  static std::vector<std::string> Finish(StreamWindow& window,
                                         StreamWindow::Completions& completions) {
    std::vector<std::string> settled;
    for (const auto& completion : completions) {
      settled.push_back(completion.frame->request.messages(completion.index).message_id() + " " +
                        (completion.result.ok()
                             ? std::to_string(completion.result->sequence())
                             : absl::StatusCodeToString(completion.result.status().code())));
    }
    window.Finish(completions);
    completions.clear();
    return settled;
  }

  static v1::PublishStreamResponse Range(uint64_t first, uint64_t last) {
    v1::PublishStreamResponse response;
    auto* range = response.add_ranges();
    range->set_first(first);
    range->set_last(last);
    range->set_outcome(v1::PUBLISH_OUTCOME_DELIVERED);
    range->set_stream("S");
    range->set_first_sequence(100 + first);
    return response;
  }

  using List = std::vector<std::string>;

  StreamPublisherOptions options_;
  StreamWindow::Time now_{};
  StreamWindow::Completions completions_;
};

TEST_F(StreamWindowTest, SealsAFrameByCount) {
  StreamWindow window(options_);
  for (const char* id : {"a", "b", "c", "d"}) Add(window, id);
  EXPECT_EQ(Ids(window.TakeToSend()), List({"a", "b", "c"}));
  EXPECT_EQ(window.TakeToSend(), nullptr);
  window.Seal();
  EXPECT_EQ(Ids(window.TakeToSend()), List({"d"}));
}

TEST_F(StreamWindowTest, SealsAFrameByBytes) {
  options_.frame_bytes_max = 1000;
  StreamWindow window(options_);
  Add(window, "a", 500);
  Add(window, "b", 500);
  EXPECT_EQ(Ids(window.TakeToSend()), List({"a"}));
  Add(window, "large", 5000);
  Add(window, "c", 10);
  EXPECT_EQ(Ids(window.TakeToSend()), List({"b"}));
  EXPECT_EQ(Ids(window.TakeToSend()), List({"large"}));
}

TEST_F(StreamWindowTest, SealTimeIsTheFirstMessagesAgePlusLinger) {
  StreamWindow window(options_);
  EXPECT_FALSE(window.SealTime().has_value());
  Add(window, "a");
  const auto first = now_;
  now_ += milliseconds(1);
  Add(window, "b");
  EXPECT_EQ(window.SealTime(), first + milliseconds(2));
}

TEST_F(StreamWindowTest, RangesReachAcrossFrames) {
  StreamWindow window(options_);
  for (const char* id : {"a", "b", "c", "d", "e", "f"}) Add(window, id);
  window.TakeToSend();
  window.TakeToSend();
  ASSERT_TRUE(window.Answer(Range(2, 5), completions_).ok());
  EXPECT_EQ(Finish(window, completions_), List({"b 102", "c 103", "d 104", "e 105"}));
  EXPECT_EQ(window.messages(), 6) << "neither frame is answered as a whole";
  ASSERT_TRUE(window.Answer(Range(6, 6), completions_).ok());
  ASSERT_TRUE(window.Answer(Range(1, 1), completions_).ok());
  EXPECT_EQ(Finish(window, completions_), List({"f 106", "a 101"}));
  EXPECT_EQ(window.messages(), 0);
  EXPECT_EQ(window.bytes(), 0);
}

TEST_F(StreamWindowTest, RefusesAnswersToWhatWasNotAsked) {
  StreamWindow window(options_);
  for (const char* id : {"a", "b", "c"}) Add(window, id);
  EXPECT_FALSE(window.Answer(Range(1, 1), completions_).ok()) << "nothing was sent";
  window.TakeToSend();
  EXPECT_FALSE(window.Answer(Range(0, 0), completions_).ok());
  EXPECT_FALSE(window.Answer(Range(4, 4), completions_).ok());
  EXPECT_TRUE(completions_.empty());
  EXPECT_FALSE(window.Answer(Range(3, ~uint64_t{0}), completions_).ok());
  EXPECT_EQ(Finish(window, completions_), List({"c 103"})) << "what came first is good";
  EXPECT_FALSE(window.Answer(Range(3, 3), completions_).ok()) << "answered twice";
  v1::PublishStreamResponse without_outcome = Range(1, 1);
  without_outcome.mutable_ranges(0)->clear_outcome();
  EXPECT_FALSE(window.Answer(without_outcome, completions_).ok());
  v1::PublishStreamResponse single;
  single.add_results()->set_number(3);
  EXPECT_FALSE(window.Answer(single, completions_).ok());
  EXPECT_TRUE(completions_.empty());
}

TEST_F(StreamWindowTest, RequeuesWhatIsUnansweredInOrderAheadOfTheRest) {
  StreamWindow window(options_);
  for (const char* id : {"a", "b", "c", "d", "e", "f", "g", "h", "i"}) Add(window, id);
  window.TakeToSend();
  window.TakeToSend();
  ASSERT_TRUE(window.Answer(Range(2, 2), completions_).ok());
  EXPECT_EQ(window.Requeue(), 5);
  EXPECT_EQ(Ids(window.TakeToSend()), List({"a", "c"}));
  EXPECT_EQ(Ids(window.TakeToSend()), List({"d", "e", "f"}));
  EXPECT_EQ(Ids(window.TakeToSend()), List({"g", "h", "i"}));
  EXPECT_EQ(Finish(window, completions_), List({"b 102"})) << "answered before the break";
  ASSERT_TRUE(window.Answer(Range(1, 8), completions_).ok()) << "numbers start again";
  EXPECT_EQ(Finish(window, completions_).front(), "a 101");
  EXPECT_EQ(window.messages(), 0);
  EXPECT_EQ(window.bytes(), 0);
}

TEST_F(StreamWindowTest, GivesBackThePlaceOfAnswersThatWereFinishedBeforeABreak) {
  StreamWindow window(options_);
  for (const char* id : {"a", "b", "c"}) Add(window, id);
  window.TakeToSend();
  ASSERT_TRUE(window.Answer(Range(1, 2), completions_).ok());
  Finish(window, completions_);
  EXPECT_EQ(window.Requeue(), 1);
  EXPECT_EQ(window.messages(), 1);
}

TEST_F(StreamWindowTest, IsFullByCountAndByBytes) {
  options_.window_messages_max = 2;
  options_.window_bytes_max = 10'000;
  StreamWindow window(options_);
  EXPECT_TRUE(window.HasRoom(1'000'000)) << "an empty window takes any message";
  Add(window, "a", 9'000);
  EXPECT_FALSE(window.HasRoom(1'000));
  EXPECT_TRUE(window.HasRoom(100));
  Add(window, "b");
  EXPECT_FALSE(window.HasRoom(0));
}

TEST_F(StreamWindowTest, KeepsThePlaceOfAMessageUntilItsCallbackHasReturned) {
  options_.window_messages_max = 3;
  StreamWindow window(options_);
  for (const char* id : {"a", "b", "c"}) Add(window, id);
  window.TakeToSend();
  ASSERT_TRUE(window.Answer(Range(1, 3), completions_).ok());
  EXPECT_FALSE(window.HasRoom(0));
  Finish(window, completions_);
  EXPECT_TRUE(window.HasRoom(0));
}

TEST_F(StreamWindowTest, ExpiresSentAndUnsentMessages) {
  StreamWindow window(options_);
  for (const char* id : {"a", "b", "c", "d"}) Add(window, id);
  window.TakeToSend();
  const auto due = now_ + milliseconds(100);
  EXPECT_EQ(window.ExpireTime(), due);
  EXPECT_FALSE(window.Expire(due - milliseconds(1), completions_));
  EXPECT_TRUE(completions_.empty());
  EXPECT_TRUE(window.Expire(due, completions_)) << "the stream owes answers";
  EXPECT_EQ(Finish(window, completions_), List({"a DEADLINE_EXCEEDED", "b DEADLINE_EXCEEDED",
                                                "c DEADLINE_EXCEEDED", "d DEADLINE_EXCEEDED"}));
  EXPECT_EQ(window.messages(), 0);
  EXPECT_FALSE(window.ExpireTime().has_value());
}

TEST_F(StreamWindowTest, FailAllSettlesEverythingOnce) {
  StreamWindow window(options_);
  for (const char* id : {"a", "b", "c", "d", "e", "f", "g"}) Add(window, id);
  window.TakeToSend();
  ASSERT_TRUE(window.Answer(Range(1, 1), completions_).ok());
  Finish(window, completions_);
  window.FailAll(absl::CancelledError("gone"), completions_);
  EXPECT_EQ(Finish(window, completions_).size(), 6u);
  EXPECT_EQ(window.messages(), 0);
  EXPECT_EQ(window.TakeToSend(), nullptr);
}

}  // namespace
}  // namespace router::client
