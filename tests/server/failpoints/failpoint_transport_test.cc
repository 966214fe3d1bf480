#include "server/failpoints/failpoint_transport.h"

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/operation.h"
#include "transports/testing/fake_transport.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::StartsWith;

class WaitingCaller final : public PublishBatch {
 public:
  WaitingCaller() : PublishBatch(1) {}

 private:
  void Done() override {}
};

class SettledObserver final : public Transport::Observer {
 public:
  void OnUp(uint64_t) override {}
  void OnDown(absl::FunctionRef<std::vector<Delivery*>()> take_unsettled) override {
    for (const Delivery* delivery : take_unsettled()) settled.push_back(delivery);
  }
  void OnSettled(absl::Span<Delivery* const> deliveries) override {
    settled.insert(settled.end(), deliveries.begin(), deliveries.end());
  }
  void OnConnectionEvent(const ConnectionEvent&) override {}

  std::vector<const Delivery*> settled;
};

class FailpointTransportTest : public ::testing::Test {
 protected:
  // A connected transport with this failpoint.
  void Start(absl::string_view rule) {
    failpoints_ = std::make_unique<Failpoints>(ParseFailpoints(rule).value());
    auto fake = std::make_unique<FakeTransport>();
    fake_ = fake.get();
    transport_ = std::make_unique<FailpointTransport>(std::move(fake), failpoints_.get());
    ASSERT_TRUE(transport_->Start(&observer_).ok());
    fake_->Connect();
  }

  // Hands over `count` messages of one key, with the ids "1", "2", …
  void Publish(int count, bool from_queue) {
    std::vector<Delivery*> deliveries;
    for (int i = 1; i <= count; ++i) {
      ids_.push_back(std::make_unique<std::string>(absl::StrCat(i)));
      auto operation = std::make_unique<Operation>();
      operation->message.subject = "test.a";
      operation->message.message_id = *ids_.back();
      operation->batch = from_queue ? nullptr : &caller_;
      operation->deadline = SteadyTime::max();
      operation->first_sent_time = first_sent_time_;
      deliveries.push_back(operation.get());
      operations_.push_back(std::move(operation));
    }
    transport_->Publish(deliveries);
  }

  std::vector<std::string> SentIds() const {
    std::vector<std::string> ids;
    for (const FakeMessage& message : fake_->HandedOver()) ids.push_back(message.message_id);
    return ids;
  }

  WaitingCaller caller_;
  SettledObserver observer_;
  std::vector<std::unique_ptr<std::string>> ids_;
  std::vector<std::unique_ptr<Operation>> operations_;
  std::unique_ptr<Failpoints> failpoints_;
  std::unique_ptr<FailpointTransport> transport_;
  FakeTransport* fake_ = nullptr;
  absl::Time first_sent_time_ = absl::InfiniteFuture();  // Of what is published from now on.
};

TEST_F(FailpointTransportTest, ChangesNothingWhereNothingStrikes) {
  Start("append=forget");
  Publish(2, true);
  Publish(1, false);
  fake_->Pump();
  EXPECT_THAT(SentIds(), ElementsAre("1", "2", "1"));
  EXPECT_EQ(observer_.settled.size(), 3);
}

TEST_F(FailpointTransportTest, SwapsTwoOfAKey) {
  Start("publish=swap#2");
  Publish(4, false);
  EXPECT_THAT(SentIds(), ElementsAre("1", "3", "2", "4"));
}

TEST_F(FailpointTransportTest, SendsQueuedMessagesWithAnotherId) {
  Start("redeliver=new_id#2");
  Publish(1, false);
  Publish(2, true);
  EXPECT_THAT(SentIds(), ElementsAre("1", "1", StartsWith("2.")));
}

TEST_F(FailpointTransportTest, HidesThatAMessageMayHaveBeenSentBefore) {
  Start("redeliver=do_not_look#2");
  first_sent_time_ = absl::UnixEpoch();
  Publish(3, true);
  EXPECT_EQ(operations_[0]->first_sent_time, absl::UnixEpoch());
  EXPECT_EQ(operations_[1]->first_sent_time, absl::InfiniteFuture());
  EXPECT_EQ(operations_[2]->first_sent_time, absl::UnixEpoch());
}

TEST_F(FailpointTransportTest, ForgetsToSettleWhatACallerWaitsFor) {
  Start("settle=forget#1");
  Publish(1, true);
  Publish(2, false);
  fake_->Pump();
  EXPECT_THAT(observer_.settled, ElementsAre(operations_[0].get(), operations_[2].get()));
}

TEST_F(FailpointTransportTest, ConfirmsWhatIsInDoubt) {
  Start("connection_end=confirm#1");
  Publish(1, true);
  Publish(2, false);
  fake_->Disconnect();
  ASSERT_EQ(observer_.settled.size(), 3);
  EXPECT_EQ(operations_[0]->verdict, Verdict::kInDoubt);
  EXPECT_EQ(operations_[1]->verdict, Verdict::kConfirmed);
  EXPECT_EQ(operations_[2]->verdict, Verdict::kInDoubt);
}

using FailpointTransportDeathTest = FailpointTransportTest;

TEST_F(FailpointTransportDeathTest, KillsWhenMessagesAreHandedOver) {
  Start("after_publish=kill");
  EXPECT_EXIT(Publish(1, false), ::testing::KilledBySignal(SIGKILL), "");
}

TEST_F(FailpointTransportDeathTest, KillsWhenTheAckArrives) {
  Start("before_settle=kill");
  EXPECT_EXIT((Publish(1, false), fake_->Pump()), ::testing::KilledBySignal(SIGKILL), "");
}

}  // namespace
}  // namespace router
