#include "server/services/dead_letters.h"

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/errors/errors.h"
#include "server/services/list_filters.h"
#include "server/status/router_status.h"
#include "tests/server/dispatcher/router_rig.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

class DeadLettersTest : public ::testing::Test {
 protected:
  // Dead letters 1 to `count`, on the subjects "a" (even) and "b" (odd).
  void Bury(int count) {
    std::vector<DeadLetterVerdict> verdicts;
    for (int i = 1; i <= count; ++i) {
      rig_.Queue({i % 2 == 0 ? "a" : "b", absl::StrCat(i)});
      verdicts.push_back({static_cast<uint64_t>(i), {i % 2 == 0 ? "expired" : "refused", "no", i}});
    }
    ASSERT_TRUE(rig_.queue.Claim(0, count, kNoLimit).ok());
    ASSERT_TRUE(rig_.queue.MoveToDeadLetters(verdicts).ok());
  }

  // Dead letters of these messages, which nothing has validated.
  void Bury(const std::vector<MessageSpec>& specs) {
    std::vector<DeadLetterVerdict> verdicts;
    for (const MessageSpec& spec : specs) {
      verdicts.push_back({rig_.Queue(spec).operation().operation_id, {"attempts", "no", 1}});
    }
    ASSERT_TRUE(rig_.queue.Claim(0, verdicts.size(), kNoLimit).ok());
    ASSERT_TRUE(rig_.queue.MoveToDeadLetters(verdicts).ok());
  }

  std::vector<uint64_t> Ids(const std::string& filter, int32_t size = 0) {
    const absl::StatusOr<DeadLetters::Page> page = dead_letters_.List(filter, size, "", false);
    EXPECT_TRUE(page.ok()) << page.status();
    std::vector<uint64_t> ids;
    if (!page.ok()) return ids;
    for (const DeadLetter& dead_letter : page->dead_letters) {
      ids.push_back(dead_letter.record.sequence);
    }
    return ids;
  }

  absl::Status Redrive(const std::string& filter, int64_t limit = kNoLimit) {
    redriven_ = DeadLetters::Redriven();
    begun_ = 0;
    const absl::Status status = dead_letters_.Redrive(
        *ParseDeadLetterFilter(filter), limit,
        [this] {
          ++begun_;
          return may_begin_;
        },
        &redriven_);
    EXPECT_EQ(status_.Get().unaccounted, 0);
    return status;
  }

  RouterRig rig_;
  StatusReporter status_{
      {},          &rig_.clock,    &rig_.transport, &rig_.dispatcher, &rig_.drainer,
      &rig_.queue, rig_.mode.get()};
  DeadLetters dead_letters_{{10, 20}, &rig_.clock, &rig_.dispatcher, &rig_.transport, &rig_.queue};
  DeadLetters::Redriven redriven_;
  absl::Status may_begin_;
  int begun_ = 0;  // Calls of the last Redrive.
};

TEST_F(DeadLettersTest, ListsByReasonAttemptsAndTheFieldsOfTheMessage) {
  Bury(6);
  EXPECT_THAT(Ids(""), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(Ids("reason = expired"), ElementsAre(2, 4, 6));
  EXPECT_THAT(Ids("attempts > 4"), ElementsAre(5, 6));
  EXPECT_THAT(Ids("subject = a AND operation_id < 5"), ElementsAre(2, 4));
  EXPECT_THAT(Ids("last_error = no AND reason != refused"), ElementsAre(2, 4, 6));
  EXPECT_THAT(Ids("dead_time > 2027-01-01T00:00:00Z"), IsEmpty());
  EXPECT_EQ(error::ReasonOf(dead_letters_.List("reason = sad", 0, "", false).status()),
            "FILTER_INVALID");
}

TEST_F(DeadLettersTest, PagesFollowOneAnother) {
  Bury(5);
  const absl::StatusOr<DeadLetters::Page> first = dead_letters_.List("", 3, "", true);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->dead_letters.size(), 3u);
  EXPECT_EQ(first->dead_letters[0].record.payload, "1");
  const absl::StatusOr<DeadLetters::Page> last =
      dead_letters_.List("", 3, first->next_page_token, false);
  ASSERT_TRUE(last.ok());
  EXPECT_EQ(last->dead_letters.size(), 2u);
  EXPECT_EQ(last->next_page_token, "");
  EXPECT_EQ(error::ReasonOf(dead_letters_.List("*", 3, first->next_page_token, false).status()),
            "PAGE_TOKEN_INVALID");
}

TEST_F(DeadLettersTest, GetsOneOrNotFound) {
  Bury(2);
  ASSERT_TRUE(dead_letters_.Get(2, true).ok());
  EXPECT_EQ(dead_letters_.Get(2, true)->record.payload, "2");
  for (uint64_t id : {uint64_t{0}, uint64_t{3}}) {
    EXPECT_EQ(error::ReasonOf(dead_letters_.Get(id, true).status()), "DEAD_LETTER_NOT_FOUND");
  }
}

TEST_F(DeadLettersTest, RedrivesWhatMatchesAndDeliversIt) {
  Bury(6);
  ASSERT_TRUE(Redrive("subject = a").ok());
  EXPECT_EQ(redriven_.moved, 3);
  EXPECT_EQ(redriven_.remaining, 0);
  EXPECT_THAT(rig_.QueuedPayloads(), ElementsAre("2", "4", "6"));
  EXPECT_EQ(rig_.ledger().redriven, 3);
  EXPECT_EQ(rig_.ledger().dead_letter_count, 3);
  rig_.transport.Connect();
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("2", "4", "6"));
  EXPECT_EQ(status_.Get().unaccounted, 0);
  Call& direct = rig_.Publish({"a", "direct"});
  rig_.transport.Pump();
  EXPECT_EQ(direct.outcome(), Outcome::kDelivered) << "the key is stuck";
}

TEST_F(DeadLettersTest, NewMessagesOfAKeyGoBehindTheRedrivenOnes) {
  Bury(2);
  rig_.transport.Connect();
  ASSERT_TRUE(Redrive("subject = a").ok());
  EXPECT_EQ(rig_.Publish({"a", "new"}).outcome(), Outcome::kUnanswered);
  rig_.queue.Flush();
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("2", "new"));
}

TEST_F(DeadLettersTest, MovesWhatTheRateAllowsAndSaysWhatIsLeft) {
  Bury(15);
  ASSERT_TRUE(Redrive("*").ok());
  EXPECT_EQ(redriven_.moved, 10);
  EXPECT_EQ(redriven_.remaining, 5);
  const absl::Status too_soon = Redrive("operation_id > 1");
  EXPECT_EQ(error::ReasonOf(too_soon), "REDRIVE_RATE_LIMITED");
  EXPECT_TRUE(absl::IsResourceExhausted(too_soon));
  EXPECT_TRUE(too_soon.GetPayload(error::kRetryInfoUrl).has_value());
  EXPECT_EQ(redriven_.remaining, 5);
  rig_.clock.Advance(absl::Milliseconds(300));
  ASSERT_TRUE(Redrive("operation_id > 1").ok());
  EXPECT_EQ(redriven_.moved, 3);
  EXPECT_EQ(redriven_.remaining, 2);
}

TEST_F(DeadLettersTest, TheRateCanChange) {
  Bury(20);
  dead_letters_.SetRedriveRate(2);
  ASSERT_TRUE(Redrive("*").ok());
  EXPECT_EQ(redriven_.moved, 2) << "what was saved up at the old rate does not count";
  const absl::Status too_soon = Redrive("*");
  EXPECT_THAT(std::string(too_soon.message()), HasSubstr("at most 2 "));
  dead_letters_.SetRedriveRate(100);
  rig_.clock.Advance(absl::Milliseconds(100));
  ASSERT_TRUE(Redrive("*").ok());
  EXPECT_EQ(redriven_.moved, 10);
}

TEST_F(DeadLettersTest, WhatIsNotMovedCostsNothingOfTheRate) {
  Bury(12);
  ASSERT_TRUE(Redrive("operation_id = 3").ok());
  EXPECT_EQ(redriven_.moved, 1);
  ASSERT_TRUE(Redrive("operation_id = 99").ok());
  EXPECT_EQ(redriven_.moved, 0);
  ASSERT_TRUE(Redrive("*", 2).ok());
  EXPECT_EQ(redriven_.moved, 2);
  EXPECT_EQ(redriven_.remaining, 9);
  ASSERT_TRUE(Redrive("*").ok());
  EXPECT_EQ(redriven_.moved, 7);
}

TEST_F(DeadLettersTest, FillsTheQueueUpToItsLimitOnly) {
  Bury(5);
  for (int i = 0; i < 17; ++i) rig_.Queue({"other", "x"});
  ASSERT_TRUE(Redrive("*").ok());
  EXPECT_EQ(redriven_.moved, 3);
  EXPECT_EQ(redriven_.remaining, 2);
  EXPECT_EQ(error::ReasonOf(Redrive("*")), "PENDING_QUEUE_FULL");
}

TEST_F(DeadLettersTest, WhatPublishingRefusesIsNotPutBack) {
  const struct {
    MessageSpec spec;
    std::string reason;
  } kTable[] = {
      {{"a b", "1"}, "SUBJECT_INVALID"},
      {{"a.>", "2"}, "SUBJECT_INVALID"},
      {{"x 0\r\n\r\nPUB $JS.API.STREAM.DELETE.TEST", "3"}, "SUBJECT_INVALID"},
      {{"$JS.API.STREAM.PURGE.TEST", "4"}, "SUBJECT_RESERVED"},
      {{"a", "5", "an id"}, "MESSAGE_ID_INVALID"},
      {{"a", "6", "", std::string(256, 'k')}, "ORDERING_KEY_INVALID"},
      {{"a", "7", "", "", Guarantee::kStored, absl::InfiniteDuration(), {{"Nats-Rollup", "all"}}},
       "HEADER_INVALID"},
      {{"a", "8", "", "", Guarantee::kStored, absl::InfiniteDuration(), {{"k", "v\r\nx: y"}}},
       "HEADER_INVALID"},
      {{"a", std::string(1 << 20, 'x')}, "PAYLOAD_TOO_LARGE"},
  };
  std::vector<MessageSpec> specs;
  for (const auto& row : kTable) specs.push_back(row.spec);
  specs.push_back({"a", "good"});
  Bury(specs);
  ASSERT_TRUE(Redrive("*").ok());
  EXPECT_EQ(redriven_.moved, 1);
  EXPECT_EQ(redriven_.remaining, 9);
  EXPECT_EQ(redriven_.refused.count, 9);
  EXPECT_THAT(redriven_.refused.by_reason,
              UnorderedElementsAre(Pair("SUBJECT_INVALID", 3), Pair("SUBJECT_RESERVED", 1),
                                   Pair("MESSAGE_ID_INVALID", 1), Pair("ORDERING_KEY_INVALID", 1),
                                   Pair("HEADER_INVALID", 2), Pair("PAYLOAD_TOO_LARGE", 1)));
  ASSERT_EQ(redriven_.refused.sample.size(), 9u);
  for (size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(redriven_.refused.sample[i].operation_id, i + 1);
    EXPECT_EQ(error::ReasonOf(redriven_.refused.sample[i].why), kTable[i].reason) << i;
  }
  rig_.transport.Connect();
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("good"));
  EXPECT_EQ(Ids("").size(), 9u) << "they stay dead letters";
}

TEST_F(DeadLettersTest, WhatIsRefusedCostsNothingOfTheRateAndIsNoReasonToWait) {
  std::vector<MessageSpec> specs(12, MessageSpec{"a b"});
  for (int i = 0; i < 7; ++i) specs.push_back({"a", absl::StrCat(i)});
  Bury(specs);
  ASSERT_TRUE(Redrive("*", 6).ok());
  EXPECT_EQ(redriven_.moved, 6);
  EXPECT_EQ(redriven_.refused.count, 12);
  EXPECT_EQ(redriven_.refused.sample.size(), RefusedDeadLetters::kSampleMax);
  ASSERT_TRUE(Redrive("subject = a").ok());
  EXPECT_EQ(redriven_.moved, 1);
  EXPECT_EQ(redriven_.refused.count, 0);
  // Nothing is left that could be moved: nobody is told to come back for it.
  EXPECT_TRUE(Redrive("*").ok());
  EXPECT_EQ(redriven_.moved, 0);
  EXPECT_EQ(redriven_.refused.count, 12);
  EXPECT_EQ(redriven_.remaining, 12);
}

TEST_F(DeadLettersTest, PurgesWhatMatches) {
  Bury(6);
  int64_t purged = 0;
  ASSERT_TRUE(dead_letters_.Purge(*ParseDeadLetterFilter("reason = refused"), &purged).ok());
  EXPECT_EQ(purged, 3);
  EXPECT_THAT(Ids(""), ElementsAre(2, 4, 6));
  EXPECT_EQ(rig_.ledger().purged_dead_letters, 3);
  EXPECT_EQ(status_.Get().unaccounted, 0);
}

TEST_F(DeadLettersTest, RedriveBeginsOnceAndOnlyWhereSomethingIsMoved) {
  Bury(6);
  ASSERT_TRUE(Redrive("operation_id = 99").ok());
  EXPECT_EQ(begun_, 0);
  may_begin_ = absl::UnavailableError("not now");
  EXPECT_EQ(Redrive("*"), may_begin_);
  EXPECT_EQ(redriven_.moved, 0);
  EXPECT_THAT(Ids(""), ElementsAre(1, 2, 3, 4, 5, 6));
  may_begin_ = absl::OkStatus();
  ASSERT_TRUE(Redrive("*").ok());
  EXPECT_EQ(begun_, 1);
  EXPECT_EQ(redriven_.moved, 6) << "what was not moved before does not count for the rate";
}

TEST_F(DeadLettersTest, BooksAreBalancedAfterARestart) {
  MemoryPendingQueue::Contents contents;
  RigOptions options;
  options.contents = &contents;
  {
    RouterRig rig(options);
    for (int i = 0; i < 3; ++i) rig.Queue({"k", absl::StrCat(i)});
    ASSERT_TRUE(rig.queue.Claim(0, 2, kNoLimit).ok());
    ASSERT_TRUE(rig.queue.MoveToDeadLetters(1, {"refused", "no", 1}).ok());
    ASSERT_TRUE(rig.queue.MoveToDeadLetters(2, {"refused", "no", 1}).ok());
  }
  RouterRig rig(options);
  EXPECT_EQ(rig.ledger().dead_letter_count, 2);
  EXPECT_GT(rig.ledger().dead_letter_bytes, 0);
  EXPECT_EQ(rig.ledger().Unaccounted(), 0);
  ASSERT_TRUE(rig.queue.RedriveDeadLetters({1}).ok());
  ASSERT_TRUE(rig.queue.PurgeDeadLetters({2}).ok());
  EXPECT_EQ(rig.ledger().Unaccounted(), 0);
  rig.transport.Connect();
  EXPECT_TRUE(rig.Drain());
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("2", "0"));
  EXPECT_EQ(rig.ledger().Unaccounted(), 0);
}

}  // namespace
}  // namespace router
