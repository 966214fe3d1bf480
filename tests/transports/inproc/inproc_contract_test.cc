// The in-process transport under the contract suite.
#include <memory>
#include <vector>

#include "transports/inproc/inproc_transport.h"
#include "transports/testing/transport_contract.h"

namespace router {
namespace {

class InprocHarness : public TransportHarness {
 public:
  Transport* transport() override { return &transport_; }
  void SetBrokerUp(bool up) override { transport_.SetBrokerUp(up); }
  void HoldAcks(bool hold) override { transport_.HoldAcks(hold); }
  std::vector<InprocStoredMessage> Stored() override { return transport_.Messages(); }

 private:
  static InprocOptions Options() {
    InprocOptions options;
    options.reconnect_attempts = 0;
    return options;
  }

  InprocTransport transport_{Options(), nullptr};
};

INSTANTIATE_TEST_SUITE_P(Inproc, TransportContractTest,
                         ::testing::Values([] { return std::make_unique<InprocHarness>(); }));

}  // namespace
}  // namespace router
