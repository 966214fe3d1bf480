#include "server/options.h"

#include <chrono>

#include <grpc/grpc.h>
#include <grpcpp/resource_quota.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/version.h"
#include "server/config/settings_table.h"
#include "server/tracing/header_lines.h"

namespace router {
namespace {

// A last resort behind the limit by bytes: what the database needs around the messages.
constexpr int64_t kFileBytesPerByte = 2;
constexpr int64_t kFileBytesBase = int64_t{64} << 20;

// One connection may have one part in so many of gRPC's memory in messages that are not complete.
constexpr int64_t kConnectionShareOfMemory = 4;

constexpr int kAdminThreadsMax = 64;
constexpr absl::Duration kHandshakeTimeout = absl::Seconds(10);
constexpr absl::Duration kKeepaliveTime = absl::Seconds(60);
constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(20);

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

// Whether it limits what clients may have or send.
bool IsClientLimit(const SettingSpec& setting) {
  return setting.section == "publish" || setting.section == "client" ||
         setting.section == "stream" || absl::StartsWith(setting.name, "grpc_max_");
}

FullPolicy FullPolicyOf(const std::string& name) {
  if (name == "drop_oldest") return FullPolicy::kDropOldest;
  if (name == "block") return FullPolicy::kBlock;
  return FullPolicy::kReject;
}

std::string HostName() {
  char name[256] = "";
  if (gethostname(name, sizeof(name) - 1) != 0) return "unknown";
  return name;
}

NatsOptions NatsOptionsOf(const Settings& settings) {
  NatsOptions options;
  options.urls = settings.nats_urls;
  options.name = settings.nats_name;
  options.user = settings.nats_user;
  options.password = settings.nats_password;
  options.token = settings.nats_token;
  options.creds_file = settings.nats_creds_file;
  options.nkey = settings.nats_nkey;
  options.nkey_seed_file = settings.nats_nkey_seed_file;
  options.tls.enabled = settings.nats_tls_enabled;
  options.tls.ca_file = settings.nats_tls_ca_file;
  options.tls.cert_file = settings.nats_tls_cert_file;
  options.tls.key_file = settings.nats_tls_key_file;
  options.tls.hostname = settings.nats_tls_hostname;
  options.connect_timeout = settings.nats_connect_timeout;
  options.write_deadline = settings.nats_write_deadline;
  options.ping_interval = settings.nats_ping_interval;
  options.max_pings_out = static_cast<int>(settings.nats_max_pings_out);
  options.reconnect_attempts = static_cast<int>(settings.nats_reconnect_attempts);
  options.reconnect_delay = settings.nats_reconnect_delay;
  options.max_reconnect_delay = settings.nats_max_reconnect_delay;
  options.stable_after = settings.nats_stable_after;
  options.strict_order = settings.nats_strict_order;
  options.max_in_flight = settings.nats_max_in_flight;
  return options;
}

}  // namespace

Logger::Options LoggerOptionsOf(const Settings& settings) {
  Logger::Options options;
  options.level_min = ParseLogLevel(settings.log_level).value_or(LogLevel::kInfo);
  options.events_per_second_max = settings.log_events_per_second;
  return options;
}

Telemetry::Options TelemetryOptionsOf(const Settings& settings) {
  Telemetry::Options options;
  options.full_policy = settings.pending_full_policy;
  options.queue_count_max = settings.nats_max_pending_operations;
  options.on_exhausted = settings.nats_on_exhausted;
  return options;
}

OtlpExporter::Options OtlpOptionsOf(const Settings& settings) {
  OtlpExporter::Options options;
  options.url = OtlpTracesUrl(settings.otlp_endpoint);
  options.resource.version = kRouterVersion;
  const std::string host = HostName();
  options.resource.attributes = {
      {"service.name", "router"},
      {"service.version", kRouterVersion},
      {"service.instance.id", absl::StrCat(host, "/", settings.grpc_listen)},
      {"host.name", host},
  };
  return options;
}

HttpPost::Options HttpPostOptionsOf(const Settings& settings) {
  HttpPost::Options options;
  options.url = OtlpTracesUrl(settings.otlp_endpoint);
  options.headers = ParseHeaderLines(settings.otlp_headers).value_or(std::vector<std::string>());
  options.timeout = settings.otlp_timeout;
  return options;
}

std::vector<FailpointRule> FailpointsOf(const Settings& settings) {
  return ParseFailpoints(settings.failpoints).value_or(std::vector<FailpointRule>());
}

Security::Options SecurityOptionsOf(const Settings& settings) {
  Security::Options options;
  options.tls_files = {settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file};
  if (!settings.tls_client_ca_file.empty()) {
    options.client_certificates = settings.tls_client_auth == "optional"
                                      ? ClientCertificates::kOptional
                                      : ClientCertificates::kRequired;
  }
  options.http_tls = settings.http_tls_enabled;
  options.access_files = {settings.access_file, settings.access_tokens_file,
                          settings.access_jwt_keys_file, settings.access_jwt_issuer,
                          settings.access_jwt_audience};
  return options;
}

SqlitePendingQueue::Options PendingQueueOptionsOf(const Settings& settings) {
  SqlitePendingQueue::Options options;
  options.directory = settings.pending_dir;
  options.min_free_disk_bytes = settings.pending_min_free_disk_bytes;
  options.max_file_bytes = settings.pending_max_bytes * kFileBytesPerByte + kFileBytesBase;
  return options;
}

TransportOptions TransportOptionsOf(const Settings& settings) {
  TransportOptions options;
  options.name = settings.transport;
  options.nats = NatsOptionsOf(settings);
  return options;
}

DispatcherOptions DispatcherOptionsOf(const Settings& settings) {
  DispatcherOptions options;
  options.queue_count_max = settings.nats_max_pending_operations;
  options.queue_bytes_max = settings.pending_max_bytes;
  options.full_policy = FullPolicyOf(settings.pending_full_policy);
  options.keep_dropped = settings.pending_keep_dropped;
  options.in_flight_bytes_max = settings.nats_max_in_flight_bytes;
  options.waiting_bytes_max = settings.nats_max_in_flight_bytes;
  options.ack_timeout = settings.nats_ack_timeout;
  options.recent.window = settings.message_id_window;
  options.recent.count_max = static_cast<size_t>(settings.message_id_window_count);
  return options;
}

DrainerOptions DrainerOptionsOf(const Settings& settings) {
  DrainerOptions options;
  options.ack_timeout = settings.nats_ack_timeout;
  options.attempts_max = static_cast<int>(settings.pending_attempts_max);
  return options;
}

DeadLetters::Options DeadLettersOptionsOf(const Settings& settings) {
  DeadLetters::Options options;
  options.redrive_rate_per_second = settings.redrive_rate_per_second;
  options.queue_count_max = settings.nats_max_pending_operations;
  options.message_bytes_max = settings.publish_max_message_bytes;
  return options;
}

PublisherServiceOptions PublisherServiceOptionsOf(const Settings& settings) {
  PublisherServiceOptions options;
  options.threads = static_cast<int>(settings.grpc_publish_threads);
  options.stream_window_messages = settings.stream_window_messages;
  options.stream_window_bytes = settings.stream_window_bytes;
  options.message_bytes_max = settings.publish_max_message_bytes;
  options.batch_messages_max = settings.publish_max_batch_messages;
  return options;
}

ClientLimits::Limits ClientLimitsOf(const Settings& settings) {
  ClientLimits::Limits limits;
  limits.in_flight_bytes_max = settings.publish_max_in_flight_bytes;
  limits.client_in_flight_bytes_max = settings.client_max_in_flight_bytes;
  limits.client_in_flight_messages_max = settings.client_max_in_flight_messages;
  limits.shared_bytes_max = settings.client_shared_in_flight_bytes;
  limits.shared_messages_max = settings.client_shared_in_flight_messages;
  limits.client_messages_per_second = settings.client_max_messages_per_second;
  return limits;
}

std::vector<std::pair<std::string, double>> LimitsOf(const Settings& settings) {
  std::vector<std::pair<std::string, double>> limits;
  for (const SettingSpec& setting : SettingsTable()) {
    const auto* const member = absl::get_if<int64_t Settings::*>(&setting.member);
    if (member == nullptr || !IsClientLimit(setting)) continue;
    limits.emplace_back(setting.name, static_cast<double>(settings.**member));
  }
  return limits;
}

StatusConstants StatusConstantsOf(const Settings& settings) {
  StatusConstants constants;
  constants.transport = settings.transport;
  constants.full_policy = settings.pending_full_policy;
  constants.queue_count_max = settings.nats_max_pending_operations;
  constants.queue_bytes_max = settings.pending_max_bytes;
  constants.attempts_max = static_cast<int>(settings.nats_reconnect_attempts);
  return constants;
}

GrpcConnections::Options GrpcConnectionsOptionsOf(const Settings& settings) {
  GrpcConnections::Options options;
  options.listener = {settings.grpc_listen, DescriptorsForConnections()};
  options.limits = {settings.grpc_max_connections, settings.grpc_max_connections_per_address};
  options.flood = {settings.grpc_max_concurrent_streams, settings.grpc_max_receive_bytes,
                   settings.grpc_max_memory_bytes / kConnectionShareOfMemory};
  options.flood_ban = settings.grpc_flood_ban;
  return options;
}

void ApplyGrpcLimits(const Settings& settings, grpc::ServerBuilder* builder) {
  // Administration is synchronous: a call holds a thread.
  builder->SetResourceQuota(grpc::ResourceQuota("router")
                                .SetMaxThreads(kAdminThreadsMax)
                                .Resize(static_cast<size_t>(settings.grpc_max_memory_bytes)));
  builder->SetMaxReceiveMessageSize(static_cast<int>(settings.grpc_max_receive_bytes));
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE,
                              static_cast<int>(settings.grpc_max_metadata_bytes));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                              static_cast<int>(settings.grpc_max_concurrent_streams));
  if (settings.grpc_max_connection_age > absl::ZeroDuration()) {
    builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                                Milliseconds(settings.grpc_max_connection_age));
    builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
                                Milliseconds(settings.grpc_max_connection_age_grace));
  }
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                              Milliseconds(kHandshakeTimeout));
  // A client that is gone without a word does not keep its connection.
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(kKeepaliveTime));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(kKeepaliveTimeout));
  // Clients may send pings every 10 s, also while no call is open.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
}

}  // namespace router
