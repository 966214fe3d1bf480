#include "transports/testing/transport_contract.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace router {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TransportContractTest);

void TransportContractTest::TearDown() {
  transport().Stop(absl::ZeroDuration());
  EXPECT_EQ(observer_.unsettled_count(), 0) << "something was never settled";
  EXPECT_EQ(observer_.open_epoch(), 0u) << "Stop has not ended the epoch";
  const size_t outcomes = observer_.Outcomes().size();
  harness_.reset();
  EXPECT_EQ(observer_.Outcomes().size(), outcomes) << "settled after Stop";
  EXPECT_THAT(observer_.BrokenRules(), ::testing::IsEmpty());
}

void TransportContractTest::StartAndWaitForUp() {
  const absl::Status started = harness_->Start(&observer_);
  ASSERT_TRUE(started.ok()) << started;
  ASSERT_TRUE(observer_.WaitForEpoch(1));
}

std::unique_ptr<OwnedDelivery> TransportContractTest::MakeDelivery(absl::string_view message_id,
                                                                   absl::Duration timeout) const {
  auto owned = std::make_unique<OwnedDelivery>();
  owned->subject = harness_->subject();
  owned->payload = absl::StrCat("payload of ", message_id);
  owned->message_id = std::string(message_id);
  Delivery& delivery = owned->delivery;
  delivery.message.subject = owned->subject;
  delivery.message.payload = owned->payload;
  delivery.message.message_id = owned->message_id;
  delivery.message.caller_chose_id = true;
  delivery.deadline = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(timeout);
  return owned;
}

void TransportContractTest::PublishMany(absl::string_view prefix, int count,
                                        absl::Duration timeout) {
  const std::vector<std::string> ids = Ids(prefix, count);
  size_t batch_size = 1;
  for (size_t next = 0; next < ids.size();) {
    std::vector<std::unique_ptr<OwnedDelivery>> batch;
    while (batch.size() < batch_size && next < ids.size()) {
      batch.push_back(MakeDelivery(ids[next++], timeout));
    }
    ASSERT_TRUE(observer_.Publish(&transport(), std::move(batch))) << "no epoch is open";
    batch_size = batch_size % 97 + 1;
  }
}

void TransportContractTest::PublishOne(std::unique_ptr<OwnedDelivery> delivery) {
  std::vector<std::unique_ptr<OwnedDelivery>> batch;
  batch.push_back(std::move(delivery));
  ASSERT_TRUE(observer_.Publish(&transport(), std::move(batch))) << "no epoch is open";
}

std::vector<std::string> TransportContractTest::Ids(absl::string_view prefix, int count) {
  std::vector<std::string> ids;
  for (int i = 0; i < count; ++i) ids.push_back(absl::StrCat(prefix, "-", i));
  return ids;
}

std::vector<std::string> TransportContractTest::IdsOf(const std::vector<Outcome>& outcomes) {
  std::vector<std::string> ids;
  for (const Outcome& outcome : outcomes) ids.push_back(outcome.message_id);
  return ids;
}

std::vector<std::string> TransportContractTest::StoredIds() {
  std::vector<std::string> ids;
  for (const InprocStoredMessage& message : harness_->Stored()) ids.push_back(message.message_id);
  return ids;
}

int TransportContractTest::StepIndex(absl::string_view step, int n) const {
  const std::vector<std::string> steps = observer_.Steps();
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i] == step && n-- == 0) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace router
