#include "server/services/stream_answers.h"

#include <vector>

#include "gtest/gtest.h"
#include "router/v1/publisher.pb.h"
#include "server/base/operation.h"
#include "server/errors/errors.h"

namespace router {
namespace {

Operation Delivered(uint64_t sequence, absl::string_view stream = "S") {
  Operation operation;
  operation.outcome = Outcome::kDelivered;
  operation.stream = stream;
  operation.sequence = sequence;
  return operation;
}

Operation Received() { return Delivered(0, ""); }

Operation Duplicate(uint64_t sequence) {
  Operation operation = Delivered(sequence);
  operation.duplicate = true;
  return operation;
}

Operation Queued(uint64_t operation_id) {
  Operation operation;
  operation.outcome = Outcome::kQueued;
  operation.operation_id = operation_id;
  return operation;
}

Operation Dropped() {
  Operation operation;
  operation.outcome = Outcome::kDropped;
  return operation;
}

Operation Rejected() {
  Operation operation;
  operation.outcome = Outcome::kRejected;
  operation.status = error::Draining();
  operation.message.message_id = "mine";
  return operation;
}

v1::PublishStreamResponse Answers(const std::vector<Operation>& operations) {
  v1::PublishStreamResponse response;
  AddAnswers(1, operations, &response);
  return response;
}

void ExpectRange(const v1::PublishStreamRange& range, uint64_t first, uint64_t last,
                 v1::PublishOutcome outcome) {
  EXPECT_EQ(range.first(), first);
  EXPECT_EQ(range.last(), last);
  EXPECT_EQ(range.outcome(), outcome);
}

TEST(StreamAnswersTest, OneRangeSaysConsecutiveDeliveries) {
  const v1::PublishStreamResponse answers = Answers({Delivered(7), Delivered(8), Delivered(9)});
  ASSERT_EQ(answers.ranges_size(), 1);
  ExpectRange(answers.ranges(0), 1, 3, v1::PUBLISH_OUTCOME_DELIVERED);
  EXPECT_EQ(answers.ranges(0).stream(), "S");
  EXPECT_EQ(answers.ranges(0).first_sequence(), 7u);
  EXPECT_EQ(answers.results_size(), 0);
}

TEST(StreamAnswersTest, GapInTheSequencesOrAnotherStreamBeginsARange) {
  EXPECT_EQ(Answers({Delivered(7), Delivered(9)}).ranges_size(), 2);
  EXPECT_EQ(Answers({Delivered(7), Delivered(7)}).ranges_size(), 2);
  EXPECT_EQ(Answers({Delivered(7), Delivered(8, "T")}).ranges_size(), 2);
  EXPECT_EQ(Answers({Queued(7), Queued(9)}).ranges_size(), 2);
}

TEST(StreamAnswersTest, ReceivedAndStoredOnesDoNotMix) {
  EXPECT_EQ(Answers({Received(), Received(), Received()}).ranges_size(), 1);
  EXPECT_EQ(Answers({Received(), Delivered(1)}).ranges_size(), 2);
  EXPECT_EQ(Answers({Delivered(1), Received()}).ranges_size(), 2);
}

TEST(StreamAnswersTest, EveryOutcomeHasItsRange) {
  const v1::PublishStreamResponse answers =
      Answers({Delivered(1), Queued(5), Queued(6), Dropped(), Dropped(), Delivered(2)});
  ASSERT_EQ(answers.ranges_size(), 4);
  ExpectRange(answers.ranges(0), 1, 1, v1::PUBLISH_OUTCOME_DELIVERED);
  ExpectRange(answers.ranges(1), 2, 3, v1::PUBLISH_OUTCOME_QUEUED);
  EXPECT_EQ(answers.ranges(1).first_operation_id(), 5u);
  ExpectRange(answers.ranges(2), 4, 5, v1::PUBLISH_OUTCOME_DROPPED);
  ExpectRange(answers.ranges(3), 6, 6, v1::PUBLISH_OUTCOME_DELIVERED);
}

TEST(StreamAnswersTest, RejectedOnesAndDuplicatesHaveResultsOfTheirOwn) {
  const v1::PublishStreamResponse answers =
      Answers({Delivered(1), Rejected(), Delivered(2), Duplicate(1), Delivered(3)});
  ASSERT_EQ(answers.ranges_size(), 3) << "a range speaks for a message that it does not know";
  ASSERT_EQ(answers.results_size(), 2);
  EXPECT_EQ(answers.results(0).number(), 2u);
  EXPECT_EQ(answers.results(0).result().outcome(), v1::PUBLISH_OUTCOME_REJECTED);
  EXPECT_EQ(answers.results(0).result().message_id(), "mine");
  EXPECT_NE(answers.results(0).result().error().code(), 0);
  EXPECT_EQ(answers.results(1).number(), 4u);
  EXPECT_TRUE(answers.results(1).result().duplicate());
  EXPECT_EQ(answers.results(1).result().sequence(), 1u);
}

TEST(StreamAnswersTest, FrameGoesOnWithTheRangeOfTheOneBefore) {
  v1::PublishStreamResponse response;
  AddAnswers(1, {Delivered(1), Delivered(2)}, &response);
  AddAnswers(3, {Delivered(3)}, &response);
  AddAnswers(7, {Delivered(7)}, &response);  // As if 4 to 6 were not missing.
  ASSERT_EQ(response.ranges_size(), 2);
  ExpectRange(response.ranges(0), 1, 3, v1::PUBLISH_OUTCOME_DELIVERED);
  ExpectRange(response.ranges(1), 7, 7, v1::PUBLISH_OUTCOME_DELIVERED);
}

}  // namespace
}  // namespace router
