// What transport.h promises about deliveries.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "transports/testing/transport_contract.h"

namespace router {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::Pair;

TEST_P(TransportContractTest, ConfirmsEachOnceAndStoresThemInOrder) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  ASSERT_NO_FATAL_FAILURE(PublishMany("a", 1000));
  ASSERT_TRUE(observer_.WaitForOutcomes(1000));

  uint64_t last_sequence = 0;
  for (const Outcome& outcome : observer_.Outcomes()) {
    ASSERT_EQ(outcome.verdict, Verdict::kConfirmed) << outcome.message_id << ": " << outcome.error;
    EXPECT_FALSE(outcome.duplicate) << outcome.message_id;
    EXPECT_GT(outcome.sequence, last_sequence) << outcome.message_id;
    last_sequence = outcome.sequence;
  }
  EXPECT_THAT(IdsOf(observer_.Outcomes()), ElementsAreArray(Ids("a", 1000)));
  EXPECT_THAT(StoredIds(), ElementsAreArray(Ids("a", 1000)));
}

TEST_P(TransportContractTest, StoresSubjectPayloadAndHeadersUnchanged) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  auto delivery = MakeDelivery("binary");
  delivery->payload = std::string("\0\r\n\xff", 4);
  delivery->delivery.message.payload = delivery->payload;
  delivery->headers = {{"Trace-Id", "7"}, {"Note", "two words"}};
  delivery->delivery.message.headers = delivery->headers;
  ASSERT_NO_FATAL_FAILURE(PublishOne(std::move(delivery)));
  auto empty = MakeDelivery("empty");
  empty->delivery.message.payload = "";
  ASSERT_NO_FATAL_FAILURE(PublishOne(std::move(empty)));
  ASSERT_TRUE(observer_.WaitForOutcomes(2));

  const std::vector<InprocStoredMessage> stored = harness_->Stored();
  ASSERT_EQ(stored.size(), 2u);
  EXPECT_EQ(stored[0].subject, harness_->subject());
  EXPECT_EQ(stored[0].payload, std::string("\0\r\n\xff", 4));
  EXPECT_THAT(stored[0].headers,
              ::testing::UnorderedElementsAre(Pair("Trace-Id", "7"), Pair("Note", "two words")));
  EXPECT_EQ(stored[0].sequence, observer_.Outcomes()[0].sequence);
  EXPECT_EQ(stored[1].payload, "");
}

TEST_P(TransportContractTest, ConfirmsAKnownIdAsDuplicate) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  ASSERT_NO_FATAL_FAILURE(PublishOne(MakeDelivery("same")));
  ASSERT_TRUE(observer_.WaitForOutcomes(1));
  ASSERT_NO_FATAL_FAILURE(PublishOne(MakeDelivery("same")));
  ASSERT_TRUE(observer_.WaitForOutcomes(2));

  const std::vector<Outcome> outcomes = observer_.Outcomes();
  EXPECT_EQ(outcomes[1].verdict, Verdict::kConfirmed);
  EXPECT_FALSE(outcomes[0].duplicate);
  EXPECT_TRUE(outcomes[1].duplicate);
  EXPECT_EQ(outcomes[1].sequence, outcomes[0].sequence);
  EXPECT_THAT(StoredIds(), ElementsAre("same"));
}

TEST_P(TransportContractTest, ConfirmsReceivedMessagesInOrderWithStoredOnes) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  const std::vector<std::string> ids = Ids("mixed", 200);
  for (size_t i = 0; i < ids.size(); ++i) {
    auto delivery = MakeDelivery(ids[i]);
    if (i % 2 == 0) delivery->delivery.message.guarantee = Guarantee::kReceived;
    ASSERT_NO_FATAL_FAILURE(PublishOne(std::move(delivery)));
  }
  ASSERT_TRUE(observer_.WaitForOutcomes(ids.size()));
  for (const Outcome& outcome : observer_.Outcomes()) {
    EXPECT_EQ(outcome.verdict, Verdict::kConfirmed) << outcome.message_id << ": " << outcome.error;
  }
  EXPECT_THAT(StoredIds(), ElementsAreArray(ids));
}

TEST_P(TransportContractTest, SendsNoIdOfItsOwnForReceivedMessages) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  for (int i = 0; i < 2; ++i) {
    auto delivery = MakeDelivery("assigned");
    delivery->delivery.message.guarantee = Guarantee::kReceived;
    delivery->delivery.message.caller_chose_id = false;
    ASSERT_NO_FATAL_FAILURE(PublishOne(std::move(delivery)));
  }
  ASSERT_TRUE(observer_.WaitForOutcomes(2));
  EXPECT_THAT(StoredIds(), ElementsAre("", ""));
}

TEST_P(TransportContractTest, RefusesWhatIsLargerThanTheBrokerTakes) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  auto delivery = MakeDelivery("large");
  delivery->payload.assign(static_cast<size_t>(transport().max_payload_bytes()) + 1, 'x');
  delivery->delivery.message.payload = delivery->payload;
  ASSERT_NO_FATAL_FAILURE(PublishOne(std::move(delivery)));
  ASSERT_NO_FATAL_FAILURE(PublishOne(MakeDelivery("small")));
  ASSERT_TRUE(observer_.WaitForOutcomes(2));

  for (const Outcome& outcome : observer_.Outcomes()) {
    const bool large = outcome.message_id == "large";
    EXPECT_EQ(outcome.verdict, large ? Verdict::kRefused : Verdict::kConfirmed);
    EXPECT_EQ(outcome.refusal, large ? Refusal::kMessageTooLarge : Refusal::kNone);
  }
  EXPECT_THAT(StoredIds(), ElementsAre("small"));
}

TEST_P(TransportContractTest, ConfirmsNothingWhileTheBrokerHoldsItsAcks) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  harness_->HoldAcks(true);
  ASSERT_NO_FATAL_FAILURE(PublishMany("held", 100));
  // Once this one has expired, the others have had their time to be confirmed.
  ASSERT_NO_FATAL_FAILURE(PublishOne(MakeDelivery("expires", absl::Milliseconds(100))));
  ASSERT_TRUE(observer_.WaitForOutcomes(1));
  EXPECT_EQ(observer_.Outcomes()[0].message_id, "expires");
  EXPECT_EQ(observer_.unsettled_count(), 100);

  harness_->HoldAcks(false);
  ASSERT_TRUE(observer_.WaitForOutcomes(101));
  std::vector<std::string> ids = IdsOf(observer_.Outcomes());
  ids.erase(ids.begin());
  EXPECT_THAT(ids, ElementsAreArray(Ids("held", 100)));
  EXPECT_EQ(observer_.down_count(), 0);
}

TEST_P(TransportContractTest, SettlesWhatIsUnconfirmedAtItsDeadline) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  harness_->HoldAcks(true);
  auto short_lived = MakeDelivery("short", absl::Milliseconds(150));
  const SteadyTime deadline = short_lived->delivery.deadline;
  ASSERT_NO_FATAL_FAILURE(PublishOne(std::move(short_lived)));
  ASSERT_NO_FATAL_FAILURE(PublishOne(MakeDelivery("long")));
  ASSERT_TRUE(observer_.WaitForOutcomes(1));

  const Outcome expired = observer_.Outcomes()[0];
  EXPECT_EQ(expired.message_id, "short");
  EXPECT_THAT(expired.verdict, AnyOf(Verdict::kInDoubt, Verdict::kFailed));
  EXPECT_EQ(expired.reason, FailureReason::kTimeout);
  EXPECT_GE(expired.time, deadline);
  EXPECT_LT(expired.time, deadline + std::chrono::seconds(2));
  EXPECT_EQ(observer_.unsettled_count(), 1);

  harness_->HoldAcks(false);
  ASSERT_TRUE(observer_.WaitForOutcomes(2));
  EXPECT_EQ(observer_.Outcomes()[1].message_id, "long");
  EXPECT_EQ(observer_.Outcomes()[1].verdict, Verdict::kConfirmed);
}

TEST_P(TransportContractTest, TakesAWindowOfMaxInFlight) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  const int count = static_cast<int>(transport().max_in_flight());
  harness_->HoldAcks(true);
  ASSERT_NO_FATAL_FAILURE(PublishMany("window", count));
  harness_->HoldAcks(false);
  ASSERT_TRUE(observer_.WaitForOutcomes(static_cast<size_t>(count)));
  for (const Outcome& outcome : observer_.Outcomes()) {
    ASSERT_EQ(outcome.verdict, Verdict::kConfirmed) << outcome.message_id << ": " << outcome.error;
  }
}

// That it makes no callback is checked by RecordingObserver, which would not return.
TEST_P(TransportContractTest, PublishDoesNotBlockWhileTheBrokerIsSilent) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  harness_->HoldAcks(true);
  const int count = static_cast<int>(std::min<int64_t>(transport().max_in_flight(), 5000));
  const std::string payload(10'000, 'p');
  std::vector<std::unique_ptr<OwnedDelivery>> batch;
  for (const std::string& id : Ids("silent", count)) {
    batch.push_back(MakeDelivery(id, absl::Seconds(1)));
    batch.back()->delivery.message.payload = payload;
  }
  const SteadyTime before = std::chrono::steady_clock::now();
  ASSERT_TRUE(observer_.Publish(&transport(), std::move(batch)));
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(500));
  EXPECT_TRUE(observer_.WaitForOutcomes(static_cast<size_t>(count)));
  harness_->HoldAcks(false);
}

TEST_P(TransportContractTest, HandsBackWhatIsUnsettledWhenTheEpochEnds) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  ASSERT_NO_FATAL_FAILURE(PublishMany("before", 20));
  ASSERT_TRUE(observer_.WaitForOutcomes(20));
  harness_->HoldAcks(true);
  ASSERT_NO_FATAL_FAILURE(PublishMany("lost", 300));
  harness_->SetBrokerUp(false);
  ASSERT_TRUE(observer_.WaitForDowns(1));

  std::vector<std::string> handed_back;
  for (const Outcome& outcome : observer_.Outcomes()) {
    if (outcome.handed_back) handed_back.push_back(outcome.message_id);
  }
  EXPECT_THAT(handed_back, ElementsAreArray(Ids("lost", 300)));
}

TEST_P(TransportContractTest, StoresOnceWhatIsPublishedAgainWithTheSameId) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  harness_->HoldAcks(true);
  ASSERT_NO_FATAL_FAILURE(PublishMany("again", 300));
  harness_->SetBrokerUp(false);
  ASSERT_TRUE(observer_.WaitForDowns(1));
  harness_->HoldAcks(false);
  harness_->SetBrokerUp(true);
  ASSERT_TRUE(observer_.WaitForEpoch(2));
  ASSERT_NO_FATAL_FAILURE(PublishMany("again", 300));
  ASSERT_TRUE(observer_.WaitForOutcomes(600));

  const std::vector<Outcome> outcomes = observer_.Outcomes();
  for (size_t i = 300; i < outcomes.size(); ++i) {
    EXPECT_EQ(outcomes[i].verdict, Verdict::kConfirmed) << outcomes[i].error;
  }
  EXPECT_THAT(StoredIds(), ElementsAreArray(Ids("again", 300)));
}

TEST_P(TransportContractTest, SettlesNothingOfAnEndedEpoch) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  harness_->HoldAcks(true);
  ASSERT_NO_FATAL_FAILURE(PublishMany("old", 100));
  transport().Reconnect();
  ASSERT_TRUE(observer_.WaitForDowns(1));
  harness_->HoldAcks(false);
  ASSERT_TRUE(observer_.WaitForEpoch(2));
  ASSERT_NO_FATAL_FAILURE(PublishMany("new", 100));
  ASSERT_TRUE(observer_.WaitForOutcomes(200));

  for (const Outcome& outcome : observer_.Outcomes()) {
    const bool is_new = outcome.message_id[0] == 'n';
    EXPECT_EQ(outcome.epoch, is_new ? 2u : 1u) << outcome.message_id;
    EXPECT_EQ(outcome.handed_back, !is_new) << outcome.message_id;
  }
}

TEST_P(TransportContractTest, LosesNothingWhileTheBrokerComesAndGoes) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  constexpr int kOutages = 3;
  constexpr size_t kOutcomesBetween = 500;
  std::atomic<bool> enough{false};
  int published = 0;
  std::thread publisher([&] {
    const int64_t window = std::min<int64_t>(transport().max_in_flight(), 256);
    while (!enough) {
      std::vector<std::unique_ptr<OwnedDelivery>> batch;
      for (int i = 0; i < 16; ++i) batch.push_back(MakeDelivery(absl::StrCat(published + i)));
      observer_.WaitUntil([&] { return enough || observer_.unsettled_count() + 16 <= window; });
      if (observer_.Publish(&transport(), std::move(batch))) {
        published += 16;
      } else {
        observer_.WaitUntil([&] { return enough || observer_.open_epoch() != 0; });
      }
    }
  });
  bool went_on = true;
  for (int outage = 0; outage < kOutages && went_on; ++outage) {
    went_on = observer_.WaitForOutcomes(observer_.Outcomes().size() + kOutcomesBetween);
    harness_->SetBrokerUp(false);
    went_on = went_on && observer_.WaitForDowns(outage + 1);
    harness_->SetBrokerUp(true);
  }
  went_on = went_on && observer_.WaitForEpoch(kOutages + 1) &&
            observer_.WaitForOutcomes(observer_.Outcomes().size() + kOutcomesBetween);
  enough = true;
  publisher.join();
  ASSERT_TRUE(went_on);
  ASSERT_TRUE(observer_.WaitForOutcomes(static_cast<size_t>(published)));

  const std::vector<Outcome> outcomes = observer_.Outcomes();
  EXPECT_EQ(outcomes.size(), static_cast<size_t>(published));
  std::set<std::string> stored;
  int last = -1;
  for (const std::string& id : StoredIds()) {
    int number = 0;
    ASSERT_TRUE(absl::SimpleAtoi(id, &number));
    EXPECT_GT(number, last) << "stored twice or out of order";
    last = number;
    stored.insert(id);
  }
  for (const Outcome& outcome : outcomes) {
    if (outcome.verdict != Verdict::kConfirmed) continue;
    EXPECT_EQ(stored.count(outcome.message_id), 1u) << "confirmed but not stored";
  }
}

}  // namespace
}  // namespace router
