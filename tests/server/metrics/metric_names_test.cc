// The names that dashboards, alerts and scripts depend on, as a new router shows them.

#include <cstdio>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor_database.h"
#include "gtest/gtest.h"
#include "router/v1/admin.pb.h"
#include "router/v1/fault_injection.pb.h"
#include "router/v1/publisher.pb.h"
#include "server/metrics/metrics.h"

namespace router {
namespace {

using ::testing::UnorderedElementsAreArray;

std::string RenderNew() { return Metrics("0.0.0", "unknown").Render(); }

std::set<std::string> LinesOf(const std::string& text) { return absl::StrSplit(text, '\n'); }

// "name type" of every family.
std::vector<std::string> FamiliesOf(const std::string& text) {
  std::vector<std::string> families;
  for (const std::string& line : LinesOf(text)) {
    if (absl::StartsWith(line, "# TYPE ")) families.push_back(line.substr(7));
  }
  return families;
}

TEST(MetricNamesTest, FamiliesAreExactlyThese) {
  EXPECT_THAT(FamiliesOf(RenderNew()), UnorderedElementsAreArray({
                                           "process_cpu_seconds_total counter",
                                           "process_max_fds gauge",
                                           "process_open_fds gauge",
                                           "process_resident_memory_bytes gauge",
                                           "process_start_time_seconds gauge",
                                           "process_threads gauge",
                                           "process_virtual_memory_bytes gauge",
                                           "router_access_denied_total counter",
                                           "router_access_reloads_total counter",
                                           "router_access_rules_stale gauge",
                                           "router_build_info gauge",
                                           "router_clients gauge",
                                           "router_config_last_reload_success gauge",
                                           "router_config_last_reload_timestamp_seconds gauge",
                                           "router_config_reloads_total counter",
                                           "router_grpc_connections gauge",
                                           "router_grpc_connections_refused_total counter",
                                           "router_grpc_floods_ended_total counter",
                                           "router_grpc_listener_rebuilt_total counter",
                                           "router_grpc_server_handled_total counter",
                                           "router_grpc_server_handling_seconds histogram",
                                           "router_limit_exceeded_total counter",
                                           "router_messages_accepted_total counter",
                                           "router_messages_purged_total counter",
                                           "router_messages_unaccounted gauge",
                                           "router_nats_ack_failures_total counter",
                                           "router_nats_ack_total counter",
                                           "router_nats_connection_established_total counter",
                                           "router_nats_connection_failures_total counter",
                                           "router_nats_connection_lost_total counter",
                                           "router_nats_connection_restored_total counter",
                                           "router_nats_connection_status gauge",
                                           "router_nats_dead_letters_count gauge",
                                           "router_nats_dead_letters_bytes gauge",
                                           "router_nats_dead_letters_total counter",
                                           "router_nats_delivery_latency_seconds histogram",
                                           "router_nats_fail_open_enabled gauge",
                                           "router_nats_fail_open_expire_timestamp_seconds gauge",
                                           "router_nats_nak_failures_total counter",
                                           "router_nats_nak_total counter",
                                           "router_nats_pending_bytes gauge",
                                           "router_nats_pending_bytes_limit gauge",
                                           "router_nats_pending_drain_eta_seconds gauge",
                                           "router_nats_pending_oldest_age_seconds gauge",
                                           "router_nats_pending_operations_count gauge",
                                           "router_nats_pending_operations_dropped_total counter",
                                           "router_nats_pending_operations_limit gauge",
                                           "router_nats_pending_operations_retry counter",
                                           "router_nats_pending_operations_retry_failed counter",
                                           "router_nats_pending_operations_retry_success counter",
                                           "router_nats_possible_duplicates_total counter",
                                           "router_nats_publish_failure_reasons_total counter",
                                           "router_nats_publish_failures_total counter",
                                           "router_nats_publish_latency_seconds histogram",
                                           "router_nats_publish_outcomes_total counter",
                                           "router_nats_publish_total counter",
                                           "router_nats_publish_with_ack_failures_total counter",
                                           "router_nats_publish_with_ack_total counter",
                                           "router_nats_reconnect_attempts_total counter",
                                           "router_nats_reconnect_failures_total counter",
                                           "router_nats_reconnection_exhausted_total counter",
                                           "router_nats_subscribe_failures_total counter",
                                           "router_nats_subscribe_total counter",
                                           "router_otlp_export_failures_total counter",
                                           "router_otlp_spans_dropped_total counter",
                                           "router_otlp_spans_exported_total counter",
                                           "router_publish_in_flight_bytes gauge",
                                           "router_spool_damaged gauge",
                                           "router_spool_damaged_records gauge",
                                           "router_spool_errors_total counter",
                                           "router_spool_fsync_seconds histogram",
                                           "router_tls_certificate_expire_timestamp_seconds gauge",
                                           "router_tls_certificate_stale gauge",
                                           "router_tls_reloads_total counter",
                                       }));
}

TEST(MetricNamesTest, EveryFamilyHasHelpAndSeries) {
  const std::string text = RenderNew();
  for (const std::string& family : FamiliesOf(text)) {
    const std::string name = family.substr(0, family.find(' '));
    EXPECT_THAT(text, ::testing::ContainsRegex(absl::StrCat("# HELP ", name, " [A-Z0-9].*\\.\n")));
    EXPECT_THAT(
        text, ::testing::ContainsRegex(absl::StrCat("\n", name, "(_bucket)?([{][^}]*[}])? [0-9]")));
  }
}

TEST(MetricNamesTest, EverythingThatIsCountedStartsAtZero) {
  for (const std::string& line : LinesOf(RenderNew())) {
    if (!absl::StartsWith(line, "router_") || absl::StartsWith(line, "router_build_info{"))
      continue;
    EXPECT_TRUE(absl::EndsWith(line, " 0")) << line;
  }
}

TEST(MetricNamesTest, EveryLabelValueIsThereFromTheStart) {
  const std::set<std::string> lines = LinesOf(RenderNew());
  const std::vector<std::pair<std::string, std::vector<std::string>>> expected = {
      {"router_nats_publish_outcomes_total{outcome",
       {"delivered", "queued", "dropped_fail_open", "rejected"}},
      {"router_nats_publish_failure_reasons_total{reason",
       {"not_connected", "timeout", "connection_closed", "no_responders", "broker_error",
        "fault_injected", "backlog"}},
      {"router_nats_delivery_latency_seconds_count{path", {"direct", "queued"}},
      {"router_nats_dead_letters_total{reason",
       {"refused", "no_stream", "too_large", "expired", "attempts", "dropped_oldest"}},
      {"router_tls_reloads_total{result", {"ok", "failed"}},
      {"router_access_reloads_total{result", {"ok", "failed"}},
      {"router_config_reloads_total{result", {"ok", "failed"}},
      {"router_grpc_connections_refused_total{reason",
       {"descriptors", "connections", "address_connections", "banned"}},
      {"router_limit_exceeded_total{limit",
       {"publish_max_in_flight_bytes", "client_max_in_flight_bytes",
        "client_max_in_flight_messages", "client_max_messages_per_second",
        "client_max_admin_calls"}},
      {"router_access_denied_total{reason", {"unauthenticated", "method", "subject", "payloads"}},
      {"router_spool_errors_total{op", {"open", "append", "remove", "read", "checkpoint"}},
  };
  for (const auto& [name, values] : expected) {
    for (const std::string& value : values) {
      EXPECT_EQ(lines.count(absl::StrCat(name, "=\"", value, "\"} 0")), 1u) << name << value;
    }
  }
}

TEST(MetricNamesTest, EveryMethodOfTheApiIsThereFromTheStart) {
  // Mentioned, so that the linker keeps their descriptors.
  v1::GetStatusRequest::descriptor();
  v1::PublishRequest::descriptor();
  v1::SetFaultRequest::descriptor();
  const std::set<std::string> lines = LinesOf(RenderNew());
  int methods = 0;
  for (const std::string file_name :
       {"router/v1/admin.proto", "router/v1/fault_injection.proto", "router/v1/publisher.proto"}) {
    const auto* file =
        google::protobuf::DescriptorPool::generated_pool()->FindFileByName(file_name);
    ASSERT_NE(file, nullptr) << file_name;
    for (int i = 0; i < file->service_count(); ++i) {
      for (int j = 0; j < file->service(i)->method_count(); ++j, ++methods) {
        const std::string labels =
            absl::StrCat("{grpc_service=\"", file->service(i)->full_name(), "\",grpc_method=\"",
                         file->service(i)->method(j)->name(), "\"");
        for (absl::string_view code : {"OK", "Unavailable"}) {
          EXPECT_EQ(lines.count(absl::StrCat("router_grpc_server_handled_total", labels,
                                             ",grpc_code=\"", code, "\"} 0")),
                    1u)
              << labels;
        }
        EXPECT_EQ(
            lines.count(absl::StrCat("router_grpc_server_handling_seconds_count", labels, "} 0")),
            1u)
            << labels;
      }
    }
  }
  int handling_series = 0;
  for (const std::string& line : lines) {
    handling_series += absl::StartsWith(line, "router_grpc_server_handling_seconds_count");
  }
  EXPECT_EQ(handling_series, methods) << "methods that the API does not have";
}

// What promtool says about the text, line by line.
std::vector<std::string> Promtool(const std::string& text) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/metrics.txt");
  std::ofstream(path) << text;
  const std::string command = absl::StrCat("promtool check metrics < '", path, "' 2>&1");
  FILE* const pipe = popen(command.c_str(), "r");
  std::string output;
  char buffer[4096];
  while (const size_t count = fread(buffer, 1, sizeof(buffer), pipe)) output.append(buffer, count);
  pclose(pipe);
  return absl::StrSplit(output, '\n', absl::SkipEmpty());
}

// The names are older than the conventions, and stay.
TEST(MetricNamesTest, PromtoolObjectsToTheKnownNamesOnly) {
  const char kNoTotal[] = " counter metrics should have \"_total\" suffix";
  const char kCount[] = " non-histogram and non-summary metrics should not have \"_count\" suffix";
  EXPECT_THAT(Promtool(RenderNew()),
              UnorderedElementsAreArray({
                  absl::StrCat("router_nats_pending_operations_retry", kNoTotal),
                  absl::StrCat("router_nats_pending_operations_retry_success", kNoTotal),
                  absl::StrCat("router_nats_pending_operations_retry_failed", kNoTotal),
                  absl::StrCat("router_nats_pending_operations_count", kCount),
                  absl::StrCat("router_nats_dead_letters_count", kCount),
              }));
}

}  // namespace
}  // namespace router
