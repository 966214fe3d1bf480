#include "server/config/settings_table.h"

#include "server/config/setting_value.h"

namespace router {
namespace {

using S = Settings;

constexpr int64_t kKib = 1024;
constexpr int64_t kMib = 1024 * kKib;
constexpr int64_t kGib = 1024 * kMib;
constexpr int64_t kMillion = 1000000;
constexpr int64_t kMinuteMs = 60 * 1000;
constexpr int64_t kHourMs = 60 * kMinuteMs;

struct Range {
  int64_t min;
  int64_t max;
};

SettingSpec Number(absl::string_view name, absl::string_view section, SettingSpec::Member member,
                   absl::string_view default_text, Range range, absl::string_view description) {
  SettingSpec spec{name, section, member, default_text, description};
  spec.min = range.min;
  spec.max = range.max;
  return spec;
}

SettingSpec Flag(absl::string_view name, absl::string_view section, bool S::*member,
                 absl::string_view description) {
  return {name, section, member, "false", description};
}

SettingSpec Text(absl::string_view name, absl::string_view section, std::string S::*member,
                 absl::string_view default_text, absl::string_view description) {
  return {name, section, member, default_text, description};
}

SettingSpec Choice(absl::string_view name, absl::string_view section, std::string S::*member,
                   std::vector<absl::string_view> choices, absl::string_view description) {
  SettingSpec spec{name, section, member, choices.front(), description};
  spec.choices = std::move(choices);
  return spec;
}

SettingSpec SecretFile(absl::string_view name, absl::string_view section, std::string S::*member,
                       std::string S::*secret, absl::string_view description) {
  SettingSpec spec{name, section, member, "", description};
  spec.secret = secret;
  return spec;
}

// Router::Parts::ApplySettings puts it in force.
SettingSpec Reloadable(SettingSpec spec) {
  spec.reloadable = true;
  return spec;
}

std::vector<SettingSpec> GeneralSettings() {
  SettingSpec config = Text("config", "", &S::config, "", "Path of the YAML file with settings.");
  config.in_file = false;
  return {
      config,
      Choice("transport", "", &S::transport, {"nats", "inproc"},
             "Where messages are delivered: a NATS server, or a broker inside this process for "
             "trying things out."),
      Number("shutdown_timeout_ms", "", &S::shutdown_timeout, "10000", {0, kHourMs},
             "How long a stop waits for the calls and deliveries in hand."),
      Flag("insecure", "", &S::insecure,
           "Allows listening beyond loopback, without TLS or authentication: whoever reaches the "
           "port can use it."),
      Flag("enable_fault_injection", "", &S::enable_fault_injection,
           "Serves FaultInjectionService, which makes operations fail on purpose. For rehearsals."),
      Text("failpoints", "", &S::failpoints, "",
           "Places at which the router kills itself or does a wrong thing, to test tests with; "
           "needs enable_fault_injection."),
  };
}

std::vector<SettingSpec> ServerSettings() {
  return {
      Text("grpc_listen", "grpc", &S::grpc_listen, "127.0.0.1:50051",
           "Where the gRPC API listens, host:port; port 0 takes a free one."),
      Number("grpc_publish_threads", "grpc", &S::grpc_publish_threads, "1", {1, 64},
             "Threads that serve PublisherService, each with a completion queue of its own."),
      Number("grpc_max_receive_bytes", "grpc", &S::grpc_max_receive_bytes, "16MiB",
             {4 * kKib, kGib}, "Largest request or stream frame."),
      Number("grpc_max_metadata_bytes", "grpc", &S::grpc_max_metadata_bytes, "8192", {kKib, kMib},
             "Most metadata in one call."),
      Number("grpc_max_concurrent_streams", "grpc", &S::grpc_max_concurrent_streams, "1000",
             {1, kMillion}, "Most calls at a time on one connection."),
      Number(
          "grpc_max_memory_bytes", "grpc", &S::grpc_max_memory_bytes, "512MiB",
          {16 * kMib, 64 * kGib},
          "Most memory for connections, and for requests until they are parsed; beyond it less is "
          "read, and new calls are refused."),
      Number("grpc_max_connections", "grpc", &S::grpc_max_connections, "10000", {0, kMillion},
             "Most connections; 0: as many as there are file descriptors for."),
      Number("grpc_max_connections_per_address", "grpc", &S::grpc_max_connections_per_address,
             "5000", {0, kMillion},
             "Most connections from one IPv4 address or /64 network of IPv6; 0: no limit."),
      Number("grpc_max_connection_age_ms", "grpc", &S::grpc_max_connection_age, "3600000",
             {0, 24 * kHourMs},
             "Age at which a client is asked to open another connection, give or take a tenth; 0: "
             "never."),
      Number("grpc_max_connection_age_grace_ms", "grpc", &S::grpc_max_connection_age_grace,
             "300000", {1, 24 * kHourMs},
             "How long after that the calls on the old connection may take."),
      Number("grpc_flood_ban_ms", "grpc", &S::grpc_flood_ban, "60000", {0, kHourMs},
             "How long an address from which a flood came is refused; 0: not at all, as behind a "
             "load balancer that hides addresses."),
      Text("tls_cert_file", "tls", &S::tls_cert_file, "",
           "PEM file with the router's certificate for its clients, and those between it and its "
           "authority; empty: no TLS. Read again when it changes, as the other two files are."),
      Text("tls_key_file", "tls", &S::tls_key_file, "",
           "PEM file with the key of tls_cert_file, without a passphrase."),
      Text("tls_client_ca_file", "tls", &S::tls_client_ca_file, "",
           "PEM file of the authorities of clients' certificates; empty: clients show none."),
      Choice("tls_client_auth", "tls", &S::tls_client_auth, {"require", "optional"},
             "Whether a client has to show a certificate, where tls_client_ca_file is set."),
      Text("access_file", "access", &S::access_file, "",
           "YAML file of identities and what each may do; empty: whoever can connect may do "
           "everything. Read again when it changes, as the other two files are."),
      Text("access_tokens_file", "access", &S::access_tokens_file, "",
           "YAML file of bearer tokens, as SHA-256 hashes."),
      Text("access_jwt_keys_file", "access", &S::access_jwt_keys_file, "",
           "JSON Web Key Set, or PEM file, of the public keys that sign JSON Web Tokens."),
      Text("access_jwt_issuer", "access", &S::access_jwt_issuer, "",
           "The `iss` that JSON Web Tokens must have."),
      Text("access_jwt_audience", "access", &S::access_jwt_audience, "",
           "The `aud` that JSON Web Tokens must have."),
      Text("http_listen", "http", &S::http_listen, "127.0.0.1:9001",
           "Where /metrics, /livez and /readyz are served, host:port; port 0 takes a free one."),
      Flag("http_tls_enabled", "http", &S::http_tls_enabled,
           "Serves HTTP with TLS, with the certificate of tls_cert_file; needs it."),
      Choice("http_tls_client_auth", "http", &S::http_tls_client_auth, {"none", "require"},
             "Whether a client of the HTTP port has to show a certificate of tls_client_ca_file; "
             "needs it, and http_tls_enabled."),
  };
}

std::vector<SettingSpec> NatsServerSettings() {
  return {
      {"nats_urls", "nats", &S::nats_urls, "nats://127.0.0.1:4222",
       "The NATS servers, separated by commas. Never with credentials in them."},
      Text("nats_name", "nats", &S::nats_name, "router",
           "Name of the connection, as the server's monitoring shows it."),
      Text("nats_user", "nats", &S::nats_user, "", "User name; needs nats_password_file."),
      SecretFile("nats_password_file", "nats", &S::nats_password_file, &S::nats_password,
                 "File with the password of nats_user."),
      SecretFile("nats_token_file", "nats", &S::nats_token_file, &S::nats_token,
                 "File with the authentication token."),
      Text("nats_creds_file", "nats", &S::nats_creds_file, "",
           "File with user JWT and NKey seed, as nsc writes it."),
      Text("nats_nkey", "nats", &S::nats_nkey, "",
           "Public key of an nkey user, `U…`; needs nats_nkey_seed_file."),
      Text("nats_nkey_seed_file", "nats", &S::nats_nkey_seed_file, "",
           "File with the seed of nats_nkey."),
      Flag("nats_tls_enabled", "nats", &S::nats_tls_enabled, "Requires TLS to the server."),
      Text("nats_tls_hostname", "nats", &S::nats_tls_hostname, "",
           "Name that the server's certificate must bear; empty: the host of its URL."),
      Text("nats_tls_ca_file", "nats", &S::nats_tls_ca_file, "",
           "PEM file of the authorities to trust; empty: those of the system."),
      Text("nats_tls_cert_file", "nats", &S::nats_tls_cert_file, "",
           "PEM file with the router's certificate; needs nats_tls_key_file."),
      Text("nats_tls_key_file", "nats", &S::nats_tls_key_file, "",
           "PEM file with the key of nats_tls_cert_file."),
  };
}

std::vector<SettingSpec> NatsReconnectSettings() {
  return {
      Number("nats_reconnect_attempts", "nats", &S::nats_reconnect_attempts, "10", {-1, kMillion},
             "Attempts per outage before the connection counts as exhausted; 0 or -1: never. "
             "Attempts go on all the same."),
      Number("nats_reconnect_delay_ms", "nats", &S::nats_reconnect_delay, "1000", {1, kHourMs},
             "First delay between attempts; doubles with each, with full jitter."),
      Number("nats_max_reconnect_delay_ms", "nats", &S::nats_max_reconnect_delay, "30000",
             {1, kHourMs}, "Longest delay between attempts."),
      Number("nats_stable_after_ms", "nats", &S::nats_stable_after, "5000", {0, kHourMs},
             "How long a connection must last for the count of attempts to start anew."),
      Choice("nats_on_exhausted", "nats", &S::nats_on_exhausted, {"keep_queueing", "fail_open"},
             "What exhaustion does: nothing but the status, or switch fail-open mode on."),
      Flag("nats_fail_open_mode", "nats", &S::nats_fail_open_mode,
           "The mode that a new router starts in; a change made at run time survives restarts."),
      Number("nats_max_pending_operations", "nats", &S::nats_max_pending_operations, "1000000",
             {1, 1000 * kMillion}, "Most operations in the pending queue."),
  };
}

std::vector<SettingSpec> NatsDeliverySettings() {
  return {
      Number("nats_connect_timeout_ms", "nats", &S::nats_connect_timeout, "2000",
             {1, 10 * kMinuteMs}, "How long one attempt to connect may take."),
      Number("nats_write_deadline_ms", "nats", &S::nats_write_deadline, "2000", {1, 10 * kMinuteMs},
             "How long the server may refuse to take bytes."),
      Number("nats_ping_interval_ms", "nats", &S::nats_ping_interval, "5000", {10, kHourMs},
             "Time between pings to the server."),
      Number("nats_max_pings_out", "nats", &S::nats_max_pings_out, "2", {1, 100},
             "Unanswered pings after which the connection counts as lost."),
      Number("nats_ack_timeout_ms", "nats", &S::nats_ack_timeout, "2000", {1, 10 * kMinuteMs},
             "How long one attempt to deliver waits for its confirmation."),
      Flag("nats_strict_order", "nats", &S::nats_strict_order,
           "Send a message only when everything before it of its ordering key is confirmed."),
      Number("nats_max_in_flight", "nats", &S::nats_max_in_flight, "65536", {1, 4 * kMillion},
             "Most messages sent and not confirmed."),
      Number("nats_max_in_flight_bytes", "nats", &S::nats_max_in_flight_bytes, "64MiB",
             {64 * kKib, 64 * kGib}, "Most bytes sent and not confirmed."),
  };
}

std::vector<SettingSpec> QueueSettings() {
  return {
      Text("pending_dir", "pending", &S::pending_dir, "/var/lib/router",
           "Folder of the pending queue, the mode and the audit log; one router only may use it."),
      Number("pending_max_bytes", "pending", &S::pending_max_bytes, "10GiB",
             {kKib, 1024 * 1024 * kGib},
             "Most bytes in the pending queue and its dead letters together."),
      Number("pending_min_free_disk_bytes", "pending", &S::pending_min_free_disk_bytes, "256MiB",
             {0, 1024 * 1024 * kGib},
             "Free space on the disk of pending_dir below which the queue counts as full."),
      Choice("pending_full_policy", "pending", &S::pending_full_policy,
             {"reject", "drop_oldest", "block"},
             "What a full queue does: refuse the new message, drop the oldest one (counted), or "
             "make the caller wait."),
      Flag("pending_keep_dropped", "pending", &S::pending_keep_dropped,
           "With drop_oldest: keeps what is dropped as dead letters, as long as pending_max_bytes "
           "leaves room for it."),
      Reloadable(
          Number("pending_attempts_max", "pending", &S::pending_attempts_max, "0", {0, kMillion},
                 "Failed attempts after which a queued message becomes a dead letter; 0: no limit. "
                 "Attempts that end with the connection do not count.")),
      Reloadable(Number("redrive_rate_per_second", "redrive", &S::redrive_rate_per_second, "1000",
                        {1, kMillion}, "Most dead letters put back into the queue per second.")),
  };
}

std::vector<SettingSpec> LimitSettings() {
  return {
      Number("publish_max_message_bytes", "publish", &S::publish_max_message_bytes, "0", {0, kGib},
             "Most bytes of one message's payload and headers; 0: as many as the broker takes."),
      Number("publish_max_batch_messages", "publish", &S::publish_max_batch_messages, "10000",
             {1, 100000}, "Most messages of one batch, and of one frame of a stream."),
      Reloadable(Number("publish_max_in_flight_bytes", "publish", &S::publish_max_in_flight_bytes,
                        "256MiB", {64 * kKib, 64 * kGib},
                        "Most unanswered bytes of all clients together.")),
      Reloadable(Number(
          "client_max_in_flight_bytes", "client", &S::client_max_in_flight_bytes, "32MiB",
          {64 * kKib, 64 * kGib},
          "Most unanswered bytes of one client: an identity, or an address where there is no "
          "access control. What goes beyond is refused; streams wait.")),
      Reloadable(Number("client_max_in_flight_messages", "client",
                        &S::client_max_in_flight_messages, "32768", {1, 4 * kMillion},
                        "Most unanswered messages of one client.")),
      Reloadable(Number(
          "client_shared_in_flight_messages", "client", &S::client_shared_in_flight_messages,
          "1024", {1, 4 * kMillion},
          "Most messages on their way of all clients that publish, shared evenly between them; one "
          "that is alone may have eight times as many. The others wait for their turn.")),
      Reloadable(Number("client_shared_in_flight_bytes", "client",
                        &S::client_shared_in_flight_bytes, "4MiB", {64 * kKib, 64 * kGib},
                        "The same for bytes.")),
      Reloadable(Number(
          "client_max_messages_per_second", "client", &S::client_max_messages_per_second, "0",
          {0, 100 * kMillion},
          "Most messages per second of one client, those of one second saved up; 0: no limit.")),
      Reloadable(Number(
          "client_max_admin_calls", "client", &S::client_max_admin_calls, "16", {1, 64},
          "Most calls of AdminService and FaultInjectionService at a time of one client, those "
          "whose answer it has not taken yet included. There are threads for 64 in all.")),
      Number("stream_window_messages", "stream", &S::stream_window_messages, "65536",
             {1, 4 * kMillion},
             "Most unanswered messages of one PublishStream; never more than half of what its "
             "client may have in flight."),
      Number("stream_window_bytes", "stream", &S::stream_window_bytes, "64MiB",
             {64 * kKib, 64 * kGib},
             "Most unanswered bytes of one PublishStream; never more than half of what its client "
             "may have in flight."),
      Number("message_id_window_ms", "message_id", &S::message_id_window, "120000",
             {0, 24 * kHourMs},
             "How long a message id is remembered, so that a repeated message gets its first "
             "answer."),
      Number("message_id_window_count", "message_id", &S::message_id_window_count, "1000000",
             {0, 100 * kMillion}, "Most message ids remembered; the oldest are forgotten first."),
      Reloadable(Choice("log_level", "log", &S::log_level, {"info", "debug", "warn", "error"},
                        "Least level of the events that are logged.")),
      Reloadable(Number(
          "log_events_per_second", "log", &S::log_events_per_second, "10", {0, kMillion},
          "Most lines per second and error_code for events that can come with every message; "
          "0: no limit.")),
  };
}

std::vector<SettingSpec> TracingSettings() {
  return {
      Text("otlp_endpoint", "otlp", &S::otlp_endpoint, "",
           "Base URL of the collector that spans are exported to, such as http://127.0.0.1:4318; "
           "empty: none are."),
      SecretFile("otlp_headers_file", "otlp", &S::otlp_headers_file, &S::otlp_headers,
                 "File with HTTP headers for the collector, one `Name: value` per line."),
      Number("otlp_timeout_ms", "otlp", &S::otlp_timeout, "5000", {1, 10 * kMinuteMs},
             "How long one request to the collector may take."),
      Number("otlp_buffer_spans", "otlp", &S::otlp_buffer_spans, "8192", {1, kMillion},
             "Most spans that wait for being exported; what comes when there are as many is "
             "dropped."),
  };
}

std::vector<SettingSpec>* MakeTable() {
  auto* table = new std::vector<SettingSpec>;
  for (const auto& part :
       {GeneralSettings(), ServerSettings(), NatsServerSettings(), NatsReconnectSettings(),
        NatsDeliverySettings(), QueueSettings(), LimitSettings(), TracingSettings()}) {
    table->insert(table->end(), part.begin(), part.end());
  }
  return table;
}

}  // namespace

absl::Span<const SettingSpec> SettingsTable() {
  static const std::vector<SettingSpec>* const table = MakeTable();
  return *table;
}

const SettingSpec* FindSetting(absl::string_view name) {
  for (const SettingSpec& setting : SettingsTable()) {
    if (setting.name == name) return &setting;
  }
  return nullptr;
}

Settings DefaultSettings() {
  Settings settings;
  for (const SettingSpec& setting : SettingsTable()) {
    SetValue(setting, setting.default_text, settings);
  }
  return settings;
}

}  // namespace router
