#include "tests/transports/nats/nats_transport_test_base.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace router {

NatsOptions NatsTransportTest::FastOptions(std::vector<std::string> urls) {
  NatsOptions options;
  options.urls = std::move(urls);
  options.reconnect_delay = absl::Milliseconds(20);
  options.max_reconnect_delay = absl::Milliseconds(100);
  options.stable_after = absl::Milliseconds(200);
  options.ping_interval = absl::Milliseconds(300);
  options.connect_timeout = absl::Milliseconds(500);
  options.reconnect_attempts = 0;
  return options;
}

NatsTransportTest::~NatsTransportTest() {
  transport_.reset();
  EXPECT_TRUE(observer_.BrokenRules().empty()) << observer_.BrokenRules().front();
  EXPECT_EQ(observer_.unsettled_count(), 0);
}

void NatsTransportTest::StartTransport(const NatsOptions& options) {
  transport_ = std::make_unique<NatsTransport>(options, &faults_);
  ASSERT_TRUE(transport_->Start(&observer_).ok());
}

void NatsTransportTest::ConnectTransport(const NatsOptions& options) {
  StartTransport(options);
  ASSERT_TRUE(observer_.WaitForEpoch(1));
}

bool NatsTransportTest::Publish(const std::string& subject, int count, Order order) {
  std::vector<std::unique_ptr<OwnedDelivery>> batch;
  for (int i = 0; i < count; ++i) {
    auto owned = std::make_unique<OwnedDelivery>();
    owned->subject = subject;
    owned->payload = std::string(order.payload_bytes, 'x');
    owned->message_id = absl::StrCat(subject, "-", ++published_);
    Message& message = owned->delivery.message;
    message.subject = owned->subject;
    message.payload = owned->payload;
    message.message_id = owned->message_id;
    message.guarantee = order.guarantee;
    owned->delivery.first_sent_time = order.first_sent_time;
    owned->delivery.deadline =
        std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(order.deadline);
    batch.push_back(std::move(owned));
  }
  return observer_.Publish(transport_.get(), std::move(batch));
}

std::vector<Outcome> NatsTransportTest::OutcomesWith(Verdict verdict) const {
  std::vector<Outcome> selected;
  for (Outcome& outcome : observer_.Outcomes()) {
    if (outcome.verdict == verdict) selected.push_back(std::move(outcome));
  }
  return selected;
}

std::vector<ConnectionEvent> NatsTransportTest::EventsOf(ConnectionEvent::Kind kind) const {
  std::vector<ConnectionEvent> selected;
  for (ConnectionEvent& event : observer_.Events()) {
    if (event.kind == kind) selected.push_back(std::move(event));
  }
  return selected;
}

bool NatsTransportTest::WaitForEvent(ConnectionEvent::Kind kind, size_t count) const {
  return observer_.WaitUntil([&] { return EventsOf(kind).size() >= count; });
}

}  // namespace router
