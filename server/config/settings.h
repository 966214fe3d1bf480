#ifndef ROUTER_SERVER_CONFIG_SETTINGS_H_
#define ROUTER_SERVER_CONFIG_SETTINGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace router {

// The router's settings, checked. Members are named like the settings, without their unit where the
// type has one; what each means, its default and its range stand in settings_table.cc and nowhere
// else. A default-constructed object is empty: tests that want the defaults call DefaultSettings().
struct Settings {
  std::string config;     // Path of the YAML file; empty: none.
  std::string transport;  // "nats" or "inproc".
  bool enable_fault_injection = false;
  std::string failpoints;
  bool insecure = false;
  absl::Duration shutdown_timeout;

  std::string grpc_listen;
  int64_t grpc_publish_threads = 0;
  int64_t grpc_max_receive_bytes = 0;
  int64_t grpc_max_metadata_bytes = 0;
  int64_t grpc_max_concurrent_streams = 0;
  int64_t grpc_max_memory_bytes = 0;
  int64_t grpc_max_connections = 0;              // 0: no limit.
  int64_t grpc_max_connections_per_address = 0;  // 0: no limit.
  absl::Duration grpc_max_connection_age;        // Zero: no limit.
  absl::Duration grpc_max_connection_age_grace;
  absl::Duration grpc_flood_ban;  // Zero: none.

  std::string tls_cert_file;  // Empty: no TLS.
  std::string tls_key_file;
  std::string tls_client_ca_file;  // Empty: clients are not asked for certificates.
  std::string tls_client_auth;     // "require" or "optional".

  std::string access_file;  // Empty: no access control.
  std::string access_tokens_file;
  std::string access_jwt_keys_file;
  std::string access_jwt_issuer;
  std::string access_jwt_audience;

  std::string http_listen;
  bool http_tls_enabled = false;
  std::string http_tls_client_auth;  // "none" or "require".

  std::vector<std::string> nats_urls;
  std::string nats_name;
  std::string nats_user;
  std::string nats_password_file;
  std::string nats_token_file;
  std::string nats_creds_file;
  std::string nats_nkey;
  std::string nats_nkey_seed_file;
  bool nats_tls_enabled = false;
  std::string nats_tls_hostname;
  std::string nats_tls_ca_file;
  std::string nats_tls_cert_file;
  std::string nats_tls_key_file;
  int64_t nats_reconnect_attempts = 0;  // <= 0: never exhausted.
  absl::Duration nats_reconnect_delay;
  absl::Duration nats_max_reconnect_delay;
  absl::Duration nats_stable_after;
  std::string nats_on_exhausted;  // "keep_queueing" or "fail_open".
  bool nats_fail_open_mode = false;
  int64_t nats_max_pending_operations = 0;
  absl::Duration nats_connect_timeout;
  absl::Duration nats_write_deadline;
  absl::Duration nats_ping_interval;
  int64_t nats_max_pings_out = 0;
  absl::Duration nats_ack_timeout;
  bool nats_strict_order = false;
  int64_t nats_max_in_flight = 0;
  int64_t nats_max_in_flight_bytes = 0;

  std::string pending_dir;
  int64_t pending_max_bytes = 0;
  int64_t pending_min_free_disk_bytes = 0;
  std::string pending_full_policy;  // "reject", "drop_oldest" or "block".
  bool pending_keep_dropped = false;
  int64_t pending_attempts_max = 0;  // 0: no limit.

  int64_t redrive_rate_per_second = 0;

  int64_t publish_max_message_bytes = 0;  // 0: the broker's limit alone.
  int64_t publish_max_batch_messages = 0;
  int64_t publish_max_in_flight_bytes = 0;
  int64_t client_max_in_flight_bytes = 0;
  int64_t client_max_in_flight_messages = 0;
  int64_t client_shared_in_flight_messages = 0;
  int64_t client_shared_in_flight_bytes = 0;
  int64_t client_max_messages_per_second = 0;  // 0: no limit.
  int64_t client_max_admin_calls = 0;

  int64_t stream_window_messages = 0;
  int64_t stream_window_bytes = 0;

  absl::Duration message_id_window;
  int64_t message_id_window_count = 0;

  std::string otlp_endpoint;  // Empty: no spans are exported.
  std::string otlp_headers_file;
  absl::Duration otlp_timeout;
  int64_t otlp_buffer_spans = 0;

  std::string log_level;  // "debug", "info", "warn" or "error".
  int64_t log_events_per_second = 0;

  // Contents of nats_password_file, nats_token_file and otlp_headers_file, without the newline at
  // the end; empty where no file is named. Never printed, logged or returned by an API.
  std::string nats_password;
  std::string nats_token;
  std::string otlp_headers;
};

// Every setting at its default.
Settings DefaultSettings();

}  // namespace router

#endif  // ROUTER_SERVER_CONFIG_SETTINGS_H_
