// The promises of transport.h as tests. An implementation joins by a TransportHarness and
//
//   INSTANTIATE_TEST_SUITE_P(Inproc, TransportContractTest,
//                            ::testing::Values([] { return std::make_unique<InprocHarness>(); }));
#ifndef ROUTER_TRANSPORTS_TESTING_TRANSPORT_CONTRACT_H_
#define ROUTER_TRANSPORTS_TESTING_TRANSPORT_CONTRACT_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "transports/inproc/inproc_stream.h"
#include "transports/testing/recording_observer.h"
#include "transports/transport.h"

namespace router {

// A transport with a broker of its own that can be taken down and made to keep its confirmations
// back. Each test gets a new one.
class TransportHarness {
 public:
  virtual ~TransportHarness() = default;

  // Owned by the harness and not started. Reconnects within a second, with no budget of attempts.
  virtual Transport* transport() = 0;

  virtual absl::Status Start(Transport::Observer* observer) { return transport()->Start(observer); }

  // The broker is up from the start. What it has stored survives its going down.
  virtual void SetBrokerUp(bool up) = 0;

  // Held, the broker confirms nothing; whether it stores is its own affair. Released, it confirms
  // what it has received. The connection stays up for some seconds at least.
  virtual void HoldAcks(bool hold) = 0;

  // What the broker has stored, oldest first. Only while it is up and not held.
  virtual std::vector<InprocStoredMessage> Stored() = 0;

  // One that the broker stores, for either guarantee.
  virtual std::string subject() const { return "contract.test"; }
};

using TransportHarnessFactory = std::function<std::unique_ptr<TransportHarness>()>;

class TransportContractTest : public ::testing::TestWithParam<TransportHarnessFactory> {
 protected:
  void SetUp() override { harness_ = GetParam()(); }

  // Stops the transport and checks what RecordingObserver has seen of every rule.
  void TearDown() override;

  Transport& transport() { return *harness_->transport(); }

  // Starts, and waits for epoch 1.
  void StartAndWaitForUp();

  std::unique_ptr<OwnedDelivery> MakeDelivery(absl::string_view message_id,
                                              absl::Duration timeout = absl::Seconds(30)) const;

  // `count` deliveries "<prefix>-0"…, in batches of several sizes, into the open epoch.
  void PublishMany(absl::string_view prefix, int count, absl::Duration timeout = absl::Seconds(30));
  void PublishOne(std::unique_ptr<OwnedDelivery> delivery);

  static std::vector<std::string> Ids(absl::string_view prefix, int count);
  static std::vector<std::string> IdsOf(const std::vector<Outcome>& outcomes);
  std::vector<std::string> StoredIds();

  // Index of the n-th (from 0) such step, -1 if there is none.
  int StepIndex(absl::string_view step, int n = 0) const;

  std::unique_ptr<TransportHarness> harness_;
  RecordingObserver observer_;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_TESTING_TRANSPORT_CONTRACT_H_
