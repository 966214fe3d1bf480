// The order of a key, and what was sent before, on a real nats-server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/transports/nats/nats_transport_test_base.h"

namespace router {
namespace {

using std::chrono::steady_clock;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr absl::Duration kShort = absl::Milliseconds(300);
constexpr absl::Duration kWindow = absl::Milliseconds(100);
constexpr uint64_t kKey = 1;

class NatsTransportOrderTest : public NatsTransportTest {
 protected:
  void SetUp() override { admin_.AddStream({"DEMO", {"demo.>"}}); }

  void Connect(bool strict_order) {
    NatsOptions options = FastOptions({server_.url()});
    options.strict_order = strict_order;
    options.ping_interval = absl::Seconds(5);
    ConnectTransport(options);
  }

  // Messages to these subjects, all of one key, as one batch; their ids are their subjects.
  bool PublishKey(const std::vector<std::string>& subjects,
                  absl::Time first_sent = absl::InfiniteFuture()) {
    std::vector<std::unique_ptr<OwnedDelivery>> batch;
    for (const std::string& subject : subjects) {
      auto owned = std::make_unique<OwnedDelivery>();
      owned->subject = subject;
      owned->message_id = subject;
      owned->delivery.message.subject = owned->subject;
      owned->delivery.message.message_id = owned->message_id;
      owned->delivery.key_hash = kKey;
      owned->delivery.first_sent_time = first_sent;
      owned->delivery.deadline = steady_clock::now() + absl::ToChronoNanoseconds(deadline_);
      batch.push_back(std::move(owned));
    }
    return observer_.Publish(transport_.get(), std::move(batch));
  }

  void FailNext(FaultKind kind) {
    Fault fault;
    fault.operation = FaultOperation::kPublishWithAck;
    fault.kind = kind;
    fault.remaining = 1;
    faults_.Set(fault);
  }

  std::vector<std::string> Stored() {
    std::vector<std::string> subjects;
    for (const auto& message : admin_.ReadStream("DEMO")) subjects.push_back(message.subject);
    return subjects;
  }

  Outcome OutcomeOf(const std::string& id) const {
    for (const Outcome& outcome : observer_.Outcomes()) {
      if (outcome.message_id == id) return outcome;
    }
    return Outcome();
  }

  absl::Duration deadline_ = absl::Seconds(10);
  NatsServer server_;
  NatsAdmin admin_{server_.url()};
};

TEST_F(NatsTransportOrderTest, NothingUnsentOvertakesAFailedOneOfItsKey) {
  Connect(/*strict_order=*/false);
  FailNext(FaultKind::kError);
  ASSERT_TRUE(PublishKey({"demo.a", "demo.b", "demo.c"}));
  ASSERT_TRUE(Publish("demo.other", 1));
  ASSERT_TRUE(observer_.WaitForOutcomes(4));
  EXPECT_EQ(OutcomeOf("demo.a").reason, FailureReason::kFaultInjected);
  EXPECT_EQ(OutcomeOf("demo.b").verdict, Verdict::kFailed);
  EXPECT_EQ(OutcomeOf("demo.c").verdict, Verdict::kFailed);
  EXPECT_THAT(Stored(), ElementsAre("demo.other"));
}

TEST_F(NatsTransportOrderTest, WhatIsHandedOverInKnowledgeOfTheFailureIsSent) {
  Connect(/*strict_order=*/false);
  FailNext(FaultKind::kError);
  ASSERT_TRUE(PublishKey({"demo.a"}));
  ASSERT_TRUE(observer_.WaitForOutcomes(1));
  ASSERT_TRUE(PublishKey({"demo.a", "demo.b"}));
  ASSERT_TRUE(observer_.WaitForOutcomes(3));
  EXPECT_THAT(Stored(), ElementsAre("demo.a", "demo.b"));
}

TEST_F(NatsTransportOrderTest, StrictOrderSendsNothingBehindOneThatIsNotConfirmed) {
  Connect(/*strict_order=*/true);
  deadline_ = kShort;
  server_.Freeze();
  ASSERT_TRUE(PublishKey({"demo.a", "demo.b", "demo.c"}));
  ASSERT_TRUE(observer_.WaitForOutcomes(3));
  server_.Thaw();
  ASSERT_TRUE(Publish("demo.other", 1));
  ASSERT_TRUE(observer_.WaitForOutcomes(4));
  EXPECT_EQ(OutcomeOf("demo.a").verdict, Verdict::kInDoubt);
  EXPECT_EQ(OutcomeOf("demo.b").verdict, Verdict::kFailed);
  EXPECT_EQ(OutcomeOf("demo.c").verdict, Verdict::kFailed);
  EXPECT_THAT(Stored(), ElementsAre("demo.a", "demo.other")) << "it was only not confirmed in time";
}

TEST_F(NatsTransportOrderTest, PipelinedOrderSendsOnBehindOneThatIsNotConfirmed) {
  Connect(/*strict_order=*/false);
  deadline_ = kShort;
  FailNext(FaultKind::kTimeout);
  ASSERT_TRUE(PublishKey({"demo.a", "demo.b"}));
  ASSERT_TRUE(observer_.WaitForOutcomes(2));
  EXPECT_EQ(OutcomeOf("demo.a").verdict, Verdict::kInDoubt);
  EXPECT_EQ(OutcomeOf("demo.b").verdict, Verdict::kConfirmed);
}

TEST_F(NatsTransportOrderTest, StrictOrderStoresAllOfAKeyInOrder) {
  constexpr int kCount = 500;
  Connect(/*strict_order=*/true);
  std::vector<std::string> subjects;
  for (int i = 0; i < kCount; ++i) subjects.push_back(absl::StrCat("demo.", i));
  ASSERT_TRUE(PublishKey(subjects));
  ASSERT_TRUE(observer_.WaitForOutcomes(kCount));
  EXPECT_EQ(Stored(), subjects);
}

TEST_F(NatsTransportOrderTest, StrictOrderSendsCoreMessagesOneAtATimeToo) {
  Connect(/*strict_order=*/true);
  server_.Freeze();
  ASSERT_TRUE(Publish("core.a", 3, {Guarantee::kReceived, kShort}));
  ASSERT_TRUE(observer_.WaitForOutcomes(3));
  server_.Thaw();
  EXPECT_THAT(OutcomesWith(Verdict::kInDoubt), SizeIs(1));
  EXPECT_THAT(OutcomesWith(Verdict::kFailed), SizeIs(2));
}

TEST_F(NatsTransportOrderTest, RefusalForGoodLetsTheKeyGoOn) {
  Connect(/*strict_order=*/true);
  ASSERT_TRUE(PublishKey({"demo.a", "nowhere", "demo.b"}));
  ASSERT_TRUE(observer_.WaitForOutcomes(3));
  EXPECT_EQ(OutcomeOf("nowhere").verdict, Verdict::kRefused);
  EXPECT_THAT(Stored(), ElementsAre("demo.a", "demo.b"));
}

TEST_F(NatsTransportOrderTest, KeyWaitsBehindItsMessageThatIsRefusedForTheMoment) {
  NatsAdmin::Stream full{"FULL", {"full.>"}};
  full.messages_max = 1;
  full.discard_new = true;
  admin_.AddStream(full);
  Connect(/*strict_order=*/false);
  deadline_ = absl::Seconds(3);
  ASSERT_TRUE(Publish("full.first", 1));
  ASSERT_TRUE(PublishKey({"full.a"}));
  // When this one has been given up, the one before it was refused too.
  ASSERT_TRUE(Publish("full.other", 1, {Guarantee::kStored, kShort}));
  ASSERT_TRUE(observer_.WaitForOutcomes(2));
  ASSERT_TRUE(PublishKey({"demo.b"}));
  ASSERT_TRUE(observer_.WaitForOutcomes(4));
  EXPECT_EQ(OutcomeOf("full.a").verdict, Verdict::kFailed);
  EXPECT_EQ(OutcomeOf("demo.b").verdict, Verdict::kFailed);
  EXPECT_THAT(Stored(), IsEmpty());
}

// What an earlier attempt has left, long ago or just now.
class NatsTransportSearchTest : public NatsTransportOrderTest {
 protected:
  void SetUp() override {
    NatsAdmin::Stream stream{"DEMO", {"demo.>"}};
    stream.duplicate_window = kWindow;
    admin_.AddStream(stream);
  }

  // Stores what the first attempt would have, and waits until the stream has forgotten the ids.
  void StoreEarlier(const std::vector<std::string>& subjects) {
    Connect(/*strict_order=*/false);
    ASSERT_TRUE(PublishKey(subjects));
    ASSERT_TRUE(observer_.WaitForOutcomes(subjects.size()));
    stored_ = subjects.size();
    Forget();
  }

  // Lets the duplicate window of the stream pass.
  void Forget() {
    observer_.WaitUntil([] { return false; }, 2 * kWindow);
  }

  // The outcomes behind those of StoreEarlier.
  std::vector<Outcome> PublishAgain(const std::vector<std::string>& subjects) {
    EXPECT_TRUE(PublishKey(subjects, absl::Now() - absl::Minutes(1)));
    EXPECT_TRUE(observer_.WaitForOutcomes(stored_ + subjects.size()));
    std::vector<Outcome> outcomes = observer_.Outcomes();
    outcomes.erase(outcomes.begin(), outcomes.begin() + static_cast<int64_t>(stored_));
    return outcomes;
  }

  size_t stored_ = 0;
};

TEST_F(NatsTransportSearchTest, WhatTheStreamHasIsNotSentAgain) {
  StoreEarlier({"demo.a", "demo.b"});
  const std::vector<Outcome> outcomes = PublishAgain({"demo.b"});
  ASSERT_THAT(outcomes, SizeIs(1));
  EXPECT_EQ(outcomes[0].verdict, Verdict::kConfirmed);
  EXPECT_TRUE(outcomes[0].duplicate);
  EXPECT_FALSE(outcomes[0].possible_duplicate);
  EXPECT_EQ(outcomes[0].stream, "DEMO");
  EXPECT_EQ(outcomes[0].sequence, 2);
  EXPECT_THAT(Stored(), ElementsAre("demo.a", "demo.b"));
}

TEST_F(NatsTransportSearchTest, WhatTheStreamHasNotIsSentInOrder) {
  StoreEarlier({"demo.a"});
  const std::vector<Outcome> outcomes = PublishAgain({"demo.a", "demo.b", "demo.c"});
  EXPECT_THAT(outcomes, Each(AllOf(Field(&Outcome::verdict, Verdict::kConfirmed),
                                   Field(&Outcome::possible_duplicate, false))));
  EXPECT_THAT(Stored(), ElementsAre("demo.a", "demo.b", "demo.c"));
}

TEST_F(NatsTransportSearchTest, NewOnesOfTheKeyWaitForTheSearch) {
  StoreEarlier({"demo.a"});
  ASSERT_TRUE(PublishKey({"demo.b"}, absl::Now() - absl::Minutes(1)));
  ASSERT_TRUE(PublishKey({"demo.c"}));
  ASSERT_TRUE(observer_.WaitForOutcomes(3));
  EXPECT_THAT(Stored(), ElementsAre("demo.a", "demo.b", "demo.c"));
}

TEST_F(NatsTransportSearchTest, WhatIsSoughtDoesNotOvertakeOneThatFailsMeanwhile) {
  Connect(/*strict_order=*/false);
  server_.Freeze();
  FailNext(FaultKind::kTimeout);
  deadline_ = kShort;
  ASSERT_TRUE(PublishKey({"demo.a"}));
  ASSERT_TRUE(PublishKey({"demo.b"}, absl::Now() - absl::Minutes(1)));
  ASSERT_TRUE(observer_.WaitForOutcomes(1));
  server_.Thaw();
  ASSERT_TRUE(observer_.WaitForOutcomes(2));
  EXPECT_EQ(OutcomeOf("demo.a").verdict, Verdict::kInDoubt);
  EXPECT_EQ(OutcomeOf("demo.b").verdict, Verdict::kFailed);
  EXPECT_THAT(Stored(), IsEmpty());
}

TEST_F(NatsTransportSearchTest, ManyOfOneSubjectAreFoundByOneReading) {
  constexpr int kCount = 2000;
  Connect(/*strict_order=*/false);
  ASSERT_TRUE(Publish("demo.many", kCount));
  ASSERT_TRUE(observer_.WaitForOutcomes(kCount));
  Forget();
  published_ = 0;
  Order again;
  again.first_sent_time = absl::Now() - absl::Minutes(1);
  ASSERT_TRUE(Publish("demo.many", kCount + 10, again));
  ASSERT_TRUE(observer_.WaitForOutcomes(2 * kCount + 10));
  EXPECT_THAT(observer_.Outcomes(), Each(Field(&Outcome::verdict, Verdict::kConfirmed)));
  const auto messages = admin_.ReadStream("DEMO");
  ASSERT_THAT(messages, SizeIs(kCount + 10));
  for (int i = 0; i < kCount + 10; ++i) {
    ASSERT_EQ(messages[static_cast<size_t>(i)].message_id, absl::StrCat("demo.many-", i + 1));
  }
}

TEST_F(NatsTransportSearchTest, WhatTheStreamMayHaveRemovedIsFlagged) {
  StoreEarlier({"demo.a", "demo.b"});
  admin_.PurgeStream("DEMO");
  const std::vector<Outcome> outcomes = PublishAgain({"demo.a"});
  ASSERT_THAT(outcomes, SizeIs(1));
  EXPECT_EQ(outcomes[0].verdict, Verdict::kConfirmed);
  EXPECT_TRUE(outcomes[0].possible_duplicate);
  const auto stored = admin_.ReadStream("DEMO");
  ASSERT_THAT(stored, SizeIs(1));
  EXPECT_THAT(stored[0].headers, Contains(Pair("Router-Possible-Duplicate", "true")));
}

TEST_F(NatsTransportSearchTest, InsideTheWindowTheStreamNotices) {
  admin_.AddStream({"LONG", {"long.>"}});
  Connect(/*strict_order=*/false);
  ASSERT_TRUE(PublishKey({"long.a"}));
  ASSERT_TRUE(observer_.WaitForOutcomes(1));
  ASSERT_TRUE(PublishKey({"long.a", "long.b"}, absl::Now() - absl::Seconds(1)));
  ASSERT_TRUE(observer_.WaitForOutcomes(3));
  EXPECT_TRUE(observer_.Outcomes()[1].duplicate);
  EXPECT_EQ(admin_.CountMessages("LONG"), 2);
}

TEST_F(NatsTransportSearchTest, CoreMessageSentBeforeIsFlagged) {
  Connect(/*strict_order=*/false);
  Order again;
  again.guarantee = Guarantee::kReceived;
  again.first_sent_time = absl::Now() - absl::Seconds(1);
  ASSERT_TRUE(Publish("core.a", 1, again));
  ASSERT_TRUE(observer_.WaitForOutcomes(1));
  EXPECT_EQ(observer_.Outcomes()[0].verdict, Verdict::kConfirmed);
  EXPECT_TRUE(observer_.Outcomes()[0].possible_duplicate);
}

}  // namespace
}  // namespace router
