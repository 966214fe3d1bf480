// The fake transport under the contract suite, pumped by its own thread.
#include <memory>
#include <vector>

#include "transports/testing/fake_transport.h"
#include "transports/testing/transport_contract.h"

namespace router {
namespace {

class FakeHarness : public TransportHarness {
 public:
  FakeHarness() { transport_.SetAutoThread(true); }

  Transport* transport() override { return &transport_; }

  absl::Status Start(Transport::Observer* observer) override {
    absl::Status started = transport_.Start(observer);
    if (started.ok()) FollowBroker();
    return started;
  }

  void SetBrokerUp(bool up) override {
    broker_up_ = up;
    FollowBroker();
  }

  void HoldAcks(bool hold) override {
    if (hold) {
      transport_.HoldCompletions();
    } else {
      transport_.ResumeCompletions();
    }
  }

  std::vector<InprocStoredMessage> Stored() override { return transport_.Stored(); }

 private:
  void FollowBroker() {
    if (broker_up_) {
      transport_.Connect();
    } else {
      transport_.Disconnect("the broker went down");
      transport_.FailAttempt("the broker is down");
    }
  }

  FakeTransport transport_;
  bool broker_up_ = true;
};

INSTANTIATE_TEST_SUITE_P(Fake, TransportContractTest,
                         ::testing::Values([] { return std::make_unique<FakeHarness>(); }));

}  // namespace
}  // namespace router
