// The part of the contract suite that is about dead letters and expiry. Included by
// pending_queue_contract.h.
#ifndef ROUTER_TESTS_SERVER_PENDING_PENDING_QUEUE_DEAD_LETTER_CONTRACT_H_
#define ROUTER_TESTS_SERVER_PENDING_PENDING_QUEUE_DEAD_LETTER_CONTRACT_H_

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/pending/pending_queue_contract_fixture.h"
#include "tests/server/pending/pending_testing.h"

namespace router {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PendingQueueDeadLetterContract : public PendingQueueContract {
 protected:
  // Appends `count` messages; all of them become dead letters 1 to `count`.
  std::vector<Operation*> Bury(int count, const std::string& label = "refused") {
    const std::vector<Operation*> operations = pool_.MakeMany(count);
    Append(operations);
    std::vector<DeadLetterVerdict> verdicts;
    for (const PendingRecord& record : Claim(0)) {
      verdicts.push_back({record.sequence, {label, "last", 3, "first"}});
    }
    EXPECT_TRUE(queue_->MoveToDeadLetters(verdicts).ok());
    return operations;
  }

  std::vector<Operation*> Append1AndNoteItsSending() {
    const std::vector<Operation*> operations = pool_.MakeMany(1);
    Append(operations);
    Claim(0);
    EXPECT_TRUE(queue_->NoteSending(1).ok());
    return operations;
  }

  std::vector<DeadLetter> ScanDeadLetters(uint64_t after = 0, int64_t count_max = 1000,
                                          bool with_payload = true) {
    absl::StatusOr<std::vector<DeadLetter>> dead_letters =
        queue_->ScanDeadLetters(after, count_max, with_payload);
    EXPECT_TRUE(dead_letters.ok()) << dead_letters.status();
    return dead_letters.ok() ? *std::move(dead_letters) : std::vector<DeadLetter>();
  }

  std::vector<uint64_t> DeadSequences(uint64_t after = 0, int64_t count_max = 1000) {
    std::vector<uint64_t> sequences;
    for (const DeadLetter& dead_letter : ScanDeadLetters(after, count_max)) {
      sequences.push_back(dead_letter.record.sequence);
    }
    return sequences;
  }

  int64_t Redrive(const std::vector<uint64_t>& sequences) {
    const absl::StatusOr<int64_t> redriven = queue_->RedriveDeadLetters(sequences);
    EXPECT_TRUE(redriven.ok()) << redriven.status();
    return redriven.value_or(-1);
  }

  int64_t PurgeDead(const std::vector<uint64_t>& sequences) {
    const absl::StatusOr<int64_t> purged = queue_->PurgeDeadLetters(sequences);
    EXPECT_TRUE(purged.ok()) << purged.status();
    return purged.value_or(-1);
  }

  std::vector<RemovedRecord> ClaimExpired(absl::Time now, int64_t count_max = 1000,
                                          int64_t bytes_max = 1 << 30) {
    absl::StatusOr<std::vector<RemovedRecord>> records =
        queue_->ClaimExpired(now, count_max, bytes_max);
    EXPECT_TRUE(records.ok()) << records.status();
    return records.ok() ? *std::move(records) : std::vector<RemovedRecord>();
  }

  std::vector<uint64_t> ExpiredSequences(absl::Time now, int64_t count_max = 1000) {
    std::vector<uint64_t> sequences;
    for (const RemovedRecord& record : ClaimExpired(now, count_max)) {
      sequences.push_back(record.sequence);
    }
    return sequences;
  }

  Operation* Expiring(absl::Time expire_time) {
    OperationSpec spec;
    spec.expire_time = expire_time;
    return pool_.Make(spec);
  }
};

TEST_P(PendingQueueDeadLetterContract, KeepsEverythingOfADeadLetterAlsoOverReopening) {
  OperationSpec spec;
  spec.payload = std::string("\0\x01 binary", 9);
  spec.headers = {{"Key", "value"}, {"Key", ""}};
  spec.message_id = "mine";
  spec.caller_chose_id = true;
  spec.ordering_key = "key";
  spec.guarantee = Guarantee::kReceived;
  spec.expire_time = absl::FromUnixMillis(1767225700456);
  Append({pool_.Make(spec)});
  Claim(0);
  ASSERT_TRUE(queue_->MoveToDeadLetters(1, {"no_stream", "last", 8, "first"}).ok());
  for (int i = 0; i < 2; ++i) {
    const std::vector<DeadLetter> dead_letters = ScanDeadLetters();
    ASSERT_EQ(dead_letters.size(), 1u);
    const PendingRecord& record = dead_letters[0].record;
    EXPECT_EQ(record.sequence, 1u);
    EXPECT_EQ(record.subject, spec.subject);
    EXPECT_EQ(record.payload, spec.payload);
    EXPECT_EQ(record.headers, spec.headers);
    EXPECT_EQ(record.message_id, spec.message_id);
    EXPECT_TRUE(record.caller_chose_id);
    EXPECT_EQ(record.ordering_key, spec.ordering_key);
    EXPECT_EQ(record.guarantee, Guarantee::kReceived);
    EXPECT_EQ(record.accept_time, spec.accept_time);
    EXPECT_EQ(record.expire_time, spec.expire_time);
    EXPECT_EQ(dead_letters[0].reason.reason, "no_stream");
    EXPECT_EQ(dead_letters[0].reason.error, "last");
    EXPECT_EQ(dead_letters[0].reason.attempts, 8);
    EXPECT_EQ(dead_letters[0].reason.first_error, "first");
    EXPECT_GE(dead_letters[0].dead_time, absl::FromUnixSeconds(1767225600));
    Reopen();
  }
}

TEST_P(PendingQueueDeadLetterContract, MovesManyInOneGoOrNone) {
  Append(pool_.MakeMany(3));
  Claim(0, 2);
  EXPECT_EQ(
      queue_->MoveToDeadLetters({{1, {"refused", "no", 1}}, {3, {"refused", "no", 1}}}).code(),
      absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(DeadSequences(), IsEmpty());
  EXPECT_TRUE(
      queue_->MoveToDeadLetters({{2, {"refused", "no", 1}}, {1, {"expired", "no", 1}}}).ok());
  EXPECT_THAT(DeadSequences(), ElementsAre(1, 2));
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(3));
  EXPECT_EQ(observer_.removals().size(), 2u);
}

TEST_P(PendingQueueDeadLetterContract, CountsDeadLettersAndTheirBytesByReason) {
  const std::vector<Operation*> operations = Bury(2, "expired");
  for (int i = 0; i < 2; ++i) {
    const PendingQueueStats stats = queue_->GetStats();
    EXPECT_EQ(stats.dead_letters, 2);
    EXPECT_EQ(stats.dead_letter_bytes, operations[0]->size_bytes + operations[1]->size_bytes);
    EXPECT_EQ(stats.dead_letters_by_label[DeadLetterLabelIndex("expired")], 2);
    EXPECT_EQ(stats.dead_letters_by_label[DeadLetterLabelIndex("refused")], 0);
    Reopen();
    EXPECT_EQ(recovered_.dead_letter_bytes, stats.dead_letter_bytes);
  }
}

TEST_P(PendingQueueDeadLetterContract, AScanOfDeadLettersComesInSlices) {
  Bury(5);
  EXPECT_THAT(DeadSequences(0, 2), ElementsAre(1, 2));
  EXPECT_THAT(DeadSequences(2, 2), ElementsAre(3, 4));
  EXPECT_THAT(DeadSequences(4, 2), ElementsAre(5));
  EXPECT_THAT(DeadSequences(5, 2), IsEmpty());
  EXPECT_THAT(DeadSequences(0, 0), IsEmpty());
  const DeadLetter dead_letter = ScanDeadLetters(0, 1, /*with_payload=*/false)[0];
  EXPECT_EQ(dead_letter.record.payload, "");
  EXPECT_EQ(dead_letter.record.payload_bytes, 1);
}

TEST_P(PendingQueueDeadLetterContract, RedrivesInOrderAtTheEndOfTheQueueWithTheSameIds) {
  const std::vector<Operation*> operations = Bury(4);
  Append(pool_.MakeMany(1, "other"));
  EXPECT_EQ(Redrive({4, 2, 1, 2, 99}), 3);
  EXPECT_THAT(DeadSequences(), ElementsAre(3));
  const std::vector<PendingRecord> records = Scan(5);
  EXPECT_THAT(SequencesOf(records), ElementsAre(6, 7, 8));
  EXPECT_THAT(PayloadsOf(records), ElementsAre("0", "1", "3"));
  EXPECT_EQ(records[0].message_id, operations[0]->message.message_id);
  EXPECT_EQ(records[0].accept_time, operations[0]->accept_time);
  EXPECT_EQ(records[0].first_sent_time, absl::InfiniteFuture());
  const std::vector<RemovedRecord> told = observer_.redriven();
  ASSERT_EQ(told.size(), 3u);
  EXPECT_EQ(told[0].sequence, 6u);
  EXPECT_EQ(told[0].key_hash, operations[0]->key_hash);
  EXPECT_EQ(told[0].size_bytes, operations[0]->size_bytes);
  const PendingQueueStats stats = queue_->GetStats();
  EXPECT_EQ(stats.count, 4);
  EXPECT_EQ(stats.dead_letters, 1);
  EXPECT_EQ(stats.dead_letter_bytes, operations[2]->size_bytes);
  EXPECT_EQ(stats.redriven_total, 3);
}

TEST_P(PendingQueueDeadLetterContract, WhatIsRedrivenSurvivesReopeningAndIsDelivered) {
  Bury(2);
  EXPECT_EQ(Redrive({1, 2}), 2);
  Reopen();
  EXPECT_EQ(recovered_.records.size(), 2u);
  EXPECT_EQ(recovered_.dead_letters, 0);
  EXPECT_THAT(PayloadsOf(Claim(0)), ElementsAre("0", "1"));
  RemoveAndWait({3, 4});
  EXPECT_EQ(queue_->GetStats().count, 0);
}

TEST_P(PendingQueueDeadLetterContract, WhatMayHaveBeenSentIsKnownAfterARedriveAndAReopening) {
  const std::vector<Operation*> operations = pool_.MakeMany(3);
  const absl::Time accepted = operations[0]->accept_time;
  Append(operations);
  Claim(0);
  queue_->NoteInDoubt({2}, accepted + absl::Seconds(5));
  ASSERT_TRUE(
      queue_->MoveToDeadLetters({{1, {"refused", "no", 1}}, {2, {"attempts", "no", 1}}}).ok());
  Reopen();
  EXPECT_EQ(ScanDeadLetters()[1].record.first_sent_time, accepted + absl::Seconds(5));
  EXPECT_EQ(Redrive({1, 2}), 2);
  for (int i = 0; i < 2; ++i) {
    const std::vector<PendingRecord> records = Scan(3);
    ASSERT_EQ(records.size(), 2u);
    EXPECT_EQ(records[0].first_sent_time, absl::InfiniteFuture());
    EXPECT_EQ(records[1].first_sent_time, accepted + absl::Seconds(5));
    Reopen();
  }
}

TEST_P(PendingQueueDeadLetterContract, WhatWasBeingSentBeforeAReopeningIsKnownToADeadLetter) {
  const std::vector<Operation*> operations = Append1AndNoteItsSending();
  Reopen();
  Claim(0);
  ASSERT_TRUE(queue_->MoveToDeadLetters(1, {"refused", "no", 1}).ok());
  EXPECT_EQ(Redrive({1}), 1);
  Reopen();
  EXPECT_EQ(Scan()[0].first_sent_time, operations[0]->accept_time);
}

TEST_P(PendingQueueDeadLetterContract, ATimeToLiveThatHasPassedDoesNotCountAfterARedrive) {
  Append({Expiring(absl::FromUnixSeconds(1)), Expiring(absl::FromUnixSeconds(4000000000))});
  Claim(0);
  ASSERT_TRUE(queue_->MoveToDeadLetters({{1, {"expired", "", 0}}, {2, {"refused", "no", 1}}}).ok());
  EXPECT_EQ(queue_->GetStats().next_expire_time, absl::InfiniteFuture());
  EXPECT_EQ(Redrive({1, 2}), 2);
  const std::vector<PendingRecord> records = Scan();
  EXPECT_EQ(records[0].expire_time, absl::InfiniteFuture());
  EXPECT_EQ(records[1].expire_time, absl::FromUnixSeconds(4000000000));
  EXPECT_EQ(queue_->GetStats().next_expire_time, absl::FromUnixSeconds(4000000000));
}

TEST_P(PendingQueueDeadLetterContract, PurgesDeadLettersForGood) {
  const std::vector<Operation*> operations = Bury(3);
  EXPECT_EQ(PurgeDead({3, 1, 99}), 2);
  EXPECT_THAT(DeadSequences(), ElementsAre(2));
  const auto told = observer_.dead_letter_removals();
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].cause, RemovalCause::kPurged);
  EXPECT_EQ(told[0].record.size_bytes, operations[0]->size_bytes);
  EXPECT_EQ(queue_->GetStats().dead_letters, 1);
  EXPECT_EQ(PurgeDead({}), 0);
  EXPECT_EQ(Redrive({}), 0);
  Reopen();
  EXPECT_THAT(DeadSequences(), ElementsAre(2));
}

TEST_P(PendingQueueDeadLetterContract, ADroppedMessageIsKeptWhereTheBytesLeaveRoom) {
  Append(pool_.MakeMany(5));
  const int64_t size = Scan()[0].size_bytes;
  queue_->TrimOldest(3, 5 * size, /*keep_dropped=*/true);
  const auto removals = observer_.WaitForRemovals(2);
  ASSERT_EQ(removals.size(), 2u);
  EXPECT_EQ(removals[0].cause, RemovalCause::kDroppedAndKept);
  EXPECT_THAT(DeadSequences(), ElementsAre(1, 2));
  EXPECT_EQ(ScanDeadLetters()[0].reason.reason, "dropped_oldest");
  EXPECT_EQ(queue_->GetStats().taken_total, 2);

  // Two have to go: the dead letters fill what the limit leaves.
  queue_->TrimOldest(3, 3 * size, /*keep_dropped=*/true);
  EXPECT_EQ(observer_.WaitForRemovals(4)[3].cause, RemovalCause::kDroppedOldest);
  EXPECT_THAT(DeadSequences(), ElementsAre(1, 2));
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(5));
}

TEST_P(PendingQueueDeadLetterContract, DeadLettersCountForTheBytesOfATrim) {
  Bury(2);
  Append(pool_.MakeMany(3));
  const int64_t size = Scan()[0].size_bytes;
  queue_->TrimOldest(100, 3 * size, /*keep_dropped=*/false);
  EXPECT_EQ(observer_.WaitForRemovals(4).size(), 4u);
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(5));
  EXPECT_EQ(queue_->GetStats().dead_letters, 2);
}

TEST_P(PendingQueueDeadLetterContract, ClaimsWhatHasExpiredTheEarliestFirst) {
  const absl::Time begin = absl::FromUnixSeconds(1000);
  Append({Expiring(begin + absl::Seconds(3)), Expiring(begin + absl::Seconds(1)),
          Expiring(absl::InfiniteFuture()), Expiring(begin + absl::Seconds(2))});
  EXPECT_EQ(queue_->GetStats().next_expire_time, begin + absl::Seconds(1));
  EXPECT_THAT(ExpiredSequences(begin), IsEmpty());
  EXPECT_THAT(ExpiredSequences(begin + absl::Seconds(2)), ElementsAre(2, 4));
  EXPECT_THAT(ExpiredSequences(begin + absl::Seconds(2)), IsEmpty()) << "they are claimed";
  queue_->Release({2, 4});
  EXPECT_THAT(ExpiredSequences(begin + absl::Hours(1), 2), ElementsAre(2, 4));
  EXPECT_THAT(ExpiredSequences(begin + absl::Hours(1)), ElementsAre(1));
  EXPECT_THAT(SequencesOf(Claim(0)), ElementsAre(3));
}

TEST_P(PendingQueueDeadLetterContract, AClaimOfExpiredKeepsToItsBytesBeyondTheFirst) {
  const absl::Time begin = absl::FromUnixSeconds(1000);
  Append({Expiring(begin), Expiring(begin), Expiring(begin)});
  const int64_t size = Scan()[0].size_bytes;
  EXPECT_EQ(ClaimExpired(begin, 10, 2 * size - 1).size(), 1u);
  EXPECT_EQ(ClaimExpired(begin, 10, 2 * size).size(), 2u);
}

TEST_P(PendingQueueDeadLetterContract, ExpiryIsKnownAfterReopeningAndForgottenWithItsRecord) {
  const absl::Time begin = absl::FromUnixSeconds(1000);
  Append({Expiring(begin), Expiring(begin + absl::Seconds(1)), Expiring(begin + absl::Seconds(2))});
  Reopen();
  EXPECT_EQ(queue_->GetStats().next_expire_time, begin);
  Claim(0, 1);
  RemoveAndWait({1});
  EXPECT_EQ(queue_->GetStats().next_expire_time, begin + absl::Seconds(1));
  ASSERT_TRUE(queue_->Purge({2}).ok());
  EXPECT_EQ(queue_->GetStats().next_expire_time, begin + absl::Seconds(2));
  queue_->TrimOldest(0, 0, /*keep_dropped=*/false);
  observer_.WaitForRemovals(2);
  EXPECT_EQ(queue_->GetStats().next_expire_time, absl::InfiniteFuture());
  EXPECT_THAT(ExpiredSequences(absl::InfiniteFuture()), IsEmpty());
}

TEST_P(PendingQueueDeadLetterContract, AfterCloseDeadLettersAreRefused) {
  Bury(1);
  queue_->Close();
  EXPECT_EQ(queue_->ScanDeadLetters(0, 1, true).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(queue_->RedriveDeadLetters({1}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(queue_->PurgeDeadLetters({1}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(queue_->ClaimExpired(absl::InfiniteFuture(), 1, 1).status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace router

#endif  // ROUTER_TESTS_SERVER_PENDING_PENDING_QUEUE_DEAD_LETTER_CONTRACT_H_
