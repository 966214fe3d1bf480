#ifndef ROUTER_SERVER_METRICS_GAUGE_SNAPSHOT_H_
#define ROUTER_SERVER_METRICS_GAUGE_SNAPSHOT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace router {

// Everything that is read off the router's state when metrics are rendered, in one piece, so that
// the values belong together.
struct GaugeSnapshot {
  double nats_connection_status = 0;  // 1 connected, 0.5 reconnecting, 0 disconnected.

  int64_t nats_pending_operations_count = 0;
  int64_t nats_pending_operations_limit = 0;
  int64_t nats_pending_bytes = 0;
  int64_t nats_pending_bytes_limit = 0;
  absl::Duration nats_pending_oldest_age;  // Zero when the queue is empty.
  absl::Duration nats_pending_drain_eta;   // Zero when empty; infinite when nothing drains.

  bool nats_fail_open_enabled = false;
  // When fail-open mode ends by itself; infinite (shown as 0): never, or the mode is off.
  absl::Time nats_fail_open_expire_time = absl::InfiniteFuture();

  int64_t nats_dead_letters_count = 0;
  int64_t nats_dead_letters_bytes = 0;

  // Accepted messages that are damaged or missing on disk; 0 once an operator has acknowledged it.
  int64_t spool_damaged_records = 0;
  bool spool_damaged = false;

  // When the certificate that clients are shown expires; infinite (shown as 0): there is none.
  absl::Time tls_certificate_expire_time = absl::InfiniteFuture();

  // Their files have changed, and cannot be used: what was there before is still in force.
  bool tls_certificate_stale = false;
  bool access_rules_stale = false;

  int64_t grpc_connections = 0;  // Open ones.
  int64_t clients = 0;           // For which limits are kept.
  int64_t publish_in_flight_bytes = 0;
  std::vector<std::pair<std::string, double>> limits;  // By setting.
  // When the settings in force were read; infinite (shown as 0): not known.
  absl::Time config_read_time = absl::InfiniteFuture();
  bool config_last_reload_ok = false;

  // Accepted messages that nothing accounts for. Anything but 0 is a defect.
  int64_t messages_unaccounted = 0;
};

}  // namespace router

#endif  // ROUTER_SERVER_METRICS_GAUGE_SNAPSHOT_H_
