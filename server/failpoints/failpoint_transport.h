#ifndef ROUTER_SERVER_FAILPOINTS_FAILPOINT_TRANSPORT_H_
#define ROUTER_SERVER_FAILPOINTS_FAILPOINT_TRANSPORT_H_

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/failpoints/failpoints.h"
#include "transports/transport.h"

namespace router {

// A transport with failpoints around it. Every Delivery handed to it is an Operation. Borrows
// `failpoints`, which must outlive it.
class FailpointTransport final : public Transport, private Transport::Observer {
 public:
  FailpointTransport(std::unique_ptr<Transport> transport, Failpoints* failpoints);
  ~FailpointTransport() override;

  absl::Status Start(Transport::Observer* observer) override;
  void Publish(absl::Span<Delivery* const> deliveries) override;
  void Reconnect() override { transport_->Reconnect(); }
  void Stop(absl::Duration timeout) override { transport_->Stop(timeout); }
  ConnectionStatus GetStatus() const override { return transport_->GetStatus(); }
  int64_t max_payload_bytes() const override { return transport_->max_payload_bytes(); }
  int64_t max_in_flight() const override { return transport_->max_in_flight(); }

 private:
  void OnUp(uint64_t epoch) override { observer_->OnUp(epoch); }
  void OnDown(absl::FunctionRef<std::vector<Delivery*>()> take_unsettled) override;
  void OnSettled(absl::Span<Delivery* const> deliveries) override;
  void OnConnectionEvent(const ConnectionEvent& event) override {
    observer_->OnConnectionEvent(event);
  }

  void GiveNewId(Delivery* delivery);

  Failpoints* const failpoints_;
  Transport::Observer* observer_ = nullptr;  // Set by Start.

  absl::Mutex mutex_;
  std::deque<std::string> ids_ ABSL_GUARDED_BY(mutex_);  // Deliveries point into them.

  const std::unique_ptr<Transport> transport_;  // Ends first.
};

}  // namespace router

#endif  // ROUTER_SERVER_FAILPOINTS_FAILPOINT_TRANSPORT_H_
