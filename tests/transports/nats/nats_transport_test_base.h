#ifndef ROUTER_TESTS_TRANSPORTS_NATS_NATS_TRANSPORT_TEST_BASE_H_
#define ROUTER_TESTS_TRANSPORTS_NATS_NATS_TRANSPORT_TEST_BASE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/transports/nats/nats_server.h"
#include "transports/fault_injector.h"
#include "transports/nats/nats_transport.h"
#include "transports/testing/recording_observer.h"

namespace router {

// A NatsTransport, what it said, and short words for what tests do with it.
class NatsTransportTest : public ::testing::Test {
 protected:
  // Reconnects within tens of milliseconds; pings every 300 ms.
  static NatsOptions FastOptions(std::vector<std::string> urls);

  ~NatsTransportTest() override;

  void StartTransport(const NatsOptions& options);
  // Starts it and waits for the first epoch.
  void ConnectTransport(const NatsOptions& options);

  struct Order {
    Guarantee guarantee = Guarantee::kStored;
    absl::Duration deadline = absl::Seconds(10);
    size_t payload_bytes = 10;
    absl::Time first_sent_time = absl::InfiniteFuture();
  };
  // Publishes `count` messages as one batch; their ids are "<subject>-<n>", with n counted by the
  // test. False while no epoch is open.
  bool Publish(const std::string& subject, int count, Order order);
  bool Publish(const std::string& subject, int count) { return Publish(subject, count, Order()); }

  // The outcomes so far that carry this verdict.
  std::vector<Outcome> OutcomesWith(Verdict verdict) const;
  // The events so far of this kind.
  std::vector<ConnectionEvent> EventsOf(ConnectionEvent::Kind kind) const;
  bool WaitForEvent(ConnectionEvent::Kind kind, size_t count = 1) const;

  FaultInjector faults_;
  RecordingObserver observer_;
  std::unique_ptr<NatsTransport> transport_;
  int published_ = 0;
};

}  // namespace router

#endif  // ROUTER_TESTS_TRANSPORTS_NATS_NATS_TRANSPORT_TEST_BASE_H_
