#include "transports/transport.h"

namespace router {

absl::string_view FailureReasonName(FailureReason reason) {
  switch (reason) {
    case FailureReason::kNone:
      return "";
    case FailureReason::kNotConnected:
      return "not_connected";
    case FailureReason::kTimeout:
      return "timeout";
    case FailureReason::kConnectionClosed:
      return "connection_closed";
    case FailureReason::kNoResponders:
      return "no_responders";
    case FailureReason::kBrokerError:
      return "broker_error";
    case FailureReason::kFaultInjected:
      return "fault_injected";
  }
  return "";
}

absl::string_view ConnectionStateName(ConnectionState state) {
  switch (state) {
    case ConnectionState::kDisconnected:
      return "disconnected";
    case ConnectionState::kConnected:
      return "connected";
    case ConnectionState::kReconnecting:
      return "reconnecting";
    case ConnectionState::kExhausted:
      return "exhausted";
    case ConnectionState::kStopped:
      return "stopped";
  }
  return "";
}

}  // namespace router
