// The part of the contract suite that is about what may have been sent to the broker already.
// Included by pending_queue_contract.h.
#ifndef ROUTER_TESTS_SERVER_PENDING_PENDING_QUEUE_SENT_CONTRACT_H_
#define ROUTER_TESTS_SERVER_PENDING_PENDING_QUEUE_SENT_CONTRACT_H_

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/pending/pending_queue_contract_fixture.h"
#include "tests/server/pending/pending_testing.h"

namespace router {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr absl::Time kNeverSent = absl::InfiniteFuture();

inline std::vector<absl::Time> SentTimesOf(const std::vector<PendingRecord>& records) {
  std::vector<absl::Time> times;
  for (const PendingRecord& record : records) times.push_back(record.first_sent_time);
  return times;
}

TEST_P(PendingQueueContract, KeepsWhenAMessageWasFirstSent) {
  OperationSpec sent;
  sent.first_sent_time = sent.accept_time + absl::Milliseconds(7);
  Append({pool_.Make(sent), pool_.Make({})});
  EXPECT_THAT(SentTimesOf(Scan()), ElementsAre(sent.first_sent_time, kNeverSent));
  Reopen();
  EXPECT_THAT(SentTimesOf(Scan()), ElementsAre(sent.first_sent_time, kNeverSent));
  EXPECT_THAT(SentTimesOf(Claim(0)), ElementsAre(sent.first_sent_time, kNeverSent));
}

TEST_P(PendingQueueContract, KeepsTheTimeOfSendingWithTheHashOfTheContent) {
  OperationSpec sent;
  sent.caller_chose_id = true;
  sent.first_sent_time = sent.accept_time - absl::Milliseconds(7);
  Append({pool_.Make(sent)});
  Reopen();
  EXPECT_THAT(SentTimesOf(Scan()), ElementsAre(sent.first_sent_time));
}

TEST_P(PendingQueueContract, WhatIsBeingSentIsInDoubtAfterReopening) {
  const std::vector<Operation*> operations = pool_.MakeMany(4);
  Append(operations);
  Claim(0, 2);
  ASSERT_TRUE(queue_->NoteSending(2).ok());
  EXPECT_THAT(SentTimesOf(Scan()), Each(kNeverSent));
  Reopen();
  const absl::Time accepted = operations[0]->accept_time;
  EXPECT_THAT(SentTimesOf(Scan()), ElementsAre(accepted, accepted, kNeverSent, kNeverSent));
  EXPECT_THAT(SentTimesOf(Claim(0)), ElementsAre(accepted, accepted, kNeverSent, kNeverSent));
}

TEST_P(PendingQueueContract, WhatMayHaveBeenSentIsKnownAfterEveryLaterReopening) {
  Append(pool_.MakeMany(2));
  ASSERT_TRUE(queue_->NoteSending(1).ok());
  Reopen();
  Append(pool_.MakeMany(1));
  ASSERT_TRUE(queue_->NoteSending(1).ok());
  Reopen();
  const absl::Time accepted = OperationSpec().accept_time;
  EXPECT_THAT(SentTimesOf(Scan()), ElementsAre(accepted, kNeverSent, kNeverSent));
}

TEST_P(PendingQueueContract, WhatComesAfterReopeningWasNeverSent) {
  Append(pool_.MakeMany(1));
  ASSERT_TRUE(queue_->NoteSending(1000).ok());
  Reopen();
  Append(pool_.MakeMany(2));
  EXPECT_THAT(SentTimesOf(Scan(1)), ElementsAre(kNeverSent, kNeverSent));
  Reopen();
  EXPECT_THAT(SentTimesOf(Scan(1)), ElementsAre(kNeverSent, kNeverSent));
}

TEST_P(PendingQueueContract, AnEarlierTimeOfSendingIsKeptWhereItMayHaveBeenSentAgain) {
  OperationSpec sent;
  sent.first_sent_time = sent.accept_time - absl::Seconds(5);
  Append({pool_.Make(sent)});
  ASSERT_TRUE(queue_->NoteSending(1).ok());
  Reopen();
  EXPECT_THAT(SentTimesOf(Scan()), ElementsAre(sent.first_sent_time));
}

TEST_P(PendingQueueContract, DoubtsAreKnownToTheNextClaim) {
  Append(pool_.MakeMany(3));
  Claim(0, 2);
  const absl::Time since = OperationSpec().accept_time + absl::Seconds(60);
  queue_->NoteInDoubt({2}, since);
  queue_->Release({1, 2});
  EXPECT_THAT(SentTimesOf(Scan()), ElementsAre(kNeverSent, since, kNeverSent));
  EXPECT_THAT(SentTimesOf(Claim(0)), ElementsAre(kNeverSent, since, kNeverSent));
}

TEST_P(PendingQueueContract, TheEarliestDoubtCounts) {
  Append(pool_.MakeMany(2));
  Claim(0);
  const absl::Time since = OperationSpec().accept_time + absl::Seconds(60);
  queue_->NoteInDoubt({1, 2}, since);
  queue_->NoteInDoubt({1}, since + absl::Seconds(1));
  queue_->NoteInDoubt({2}, since - absl::Seconds(1));
  EXPECT_THAT(SentTimesOf(Scan()), ElementsAre(since, since - absl::Seconds(1)));
}

TEST_P(PendingQueueContract, DoubtsNeedAClaim) {
  Append(pool_.MakeMany(2));
  Claim(0, 1);
  queue_->NoteInDoubt({2, 99}, OperationSpec().accept_time);
  EXPECT_THAT(SentTimesOf(Scan()), Each(kNeverSent));
}

TEST_P(PendingQueueContract, NothingCanBeSentAfterClose) {
  Append(pool_.MakeMany(1));
  queue_->Close();
  EXPECT_EQ(queue_->NoteSending(1).code(), absl::StatusCode::kUnavailable);
}

}  // namespace router

#endif  // ROUTER_TESTS_SERVER_PENDING_PENDING_QUEUE_SENT_CONTRACT_H_
