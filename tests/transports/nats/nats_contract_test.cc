// The NATS transport under the contract suite, on a real nats-server that is killed and frozen.
#include <memory>
#include <utility>
#include <vector>

#include "tests/transports/nats/nats_server.h"
#include "transports/nats/nats_transport.h"
#include "transports/testing/transport_contract.h"

namespace router {
namespace {

constexpr char kStream[] = "CONTRACT";

class NatsHarness : public TransportHarness {
 public:
  NatsHarness() : transport_(Options(server_), nullptr) {
    NatsAdmin::Stream stream;
    stream.name = kStream;
    stream.subjects = {"contract.>"};
    NatsAdmin(server_.url()).AddStream(stream);
  }

  Transport* transport() override { return &transport_; }

  void SetBrokerUp(bool up) override {
    if (up == server_.running()) return;
    if (up) {
      server_.Start();
    } else {
      server_.Kill();
    }
  }

  // A frozen server keeps its connections and says nothing.
  void HoldAcks(bool hold) override {
    if (!server_.running()) return;
    if (hold) {
      server_.Freeze();
    } else {
      server_.Thaw();
    }
  }

  std::vector<InprocStoredMessage> Stored() override {
    std::vector<InprocStoredMessage> stored;
    for (NatsAdmin::StoredMessage& message : NatsAdmin(server_.url()).ReadStream(kStream)) {
      stored.push_back({message.sequence, std::move(message.subject), std::move(message.payload),
                        std::move(message.headers), std::move(message.message_id)});
    }
    return stored;
  }

 private:
  static NatsOptions Options(const NatsServer& server) {
    NatsOptions options;
    options.urls = {server.url()};
    options.reconnect_attempts = 0;
    options.reconnect_delay = absl::Milliseconds(20);
    options.max_reconnect_delay = absl::Milliseconds(200);
    options.max_in_flight = 4096;
    return options;
  }

  NatsServer server_;
  NatsTransport transport_;
};

INSTANTIATE_TEST_SUITE_P(Nats, TransportContractTest,
                         ::testing::Values([] { return std::make_unique<NatsHarness>(); }));

}  // namespace
}  // namespace router
