#include "server/metrics/metrics.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace router {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The value of a series, named with its labels as in the text; -1 when it is not there.
double ValueOf(const std::string& text, absl::string_view series) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    double value = 0;
    if (absl::ConsumePrefix(&line, series) && absl::ConsumePrefix(&line, " ") &&
        absl::SimpleAtod(line, &value)) {
      return value;
    }
  }
  return -1;
}

TEST(MetricsTest, ShowsWhatWasCounted) {
  Metrics metrics("1.2.3", "abc");
  metrics.nats_publish_total.Increment(7);
  metrics.nats_publish_outcomes.queued.Increment(3);
  metrics.nats_dead_letters.For("too_large").Increment();
  metrics.spool_errors.append.Increment(2);
  metrics.nats_delivery_latency_seconds.queued.Observe(absl::Minutes(3), 5);
  const std::string text = metrics.Render();
  EXPECT_EQ(ValueOf(text, "router_nats_publish_total"), 7);
  EXPECT_EQ(ValueOf(text, "router_nats_publish_outcomes_total{outcome=\"queued\"}"), 3);
  EXPECT_EQ(ValueOf(text, "router_nats_dead_letters_total{reason=\"too_large\"}"), 1);
  EXPECT_EQ(ValueOf(text, "router_spool_errors_total{op=\"append\"}"), 2);
  EXPECT_EQ(ValueOf(text, "router_nats_delivery_latency_seconds_count{path=\"queued\"}"), 5);
  EXPECT_EQ(ValueOf(text, "router_nats_delivery_latency_seconds_sum{path=\"queued\"}"), 900);
  EXPECT_EQ(ValueOf(text, "router_nats_delivery_latency_seconds_bucket{path=\"queued\",le=\"60\"}"),
            0);
  EXPECT_EQ(
      ValueOf(text, "router_nats_delivery_latency_seconds_bucket{path=\"queued\",le=\"300\"}"), 5);
  EXPECT_EQ(
      ValueOf(text, "router_nats_delivery_latency_seconds_bucket{path=\"queued\",le=\"+Inf\"}"), 5);
  EXPECT_EQ(ValueOf(text, "router_build_info{version=\"1.2.3\",commit=\"abc\"}"), 1);
}

TEST(MetricsTest, CountsEveryFailureReasonUnderItsTransportName) {
  for (FailureReason reason :
       {FailureReason::kNotConnected, FailureReason::kTimeout, FailureReason::kConnectionClosed,
        FailureReason::kNoResponders, FailureReason::kBrokerError, FailureReason::kFaultInjected}) {
    Metrics metrics("1", "c");
    metrics.nats_publish_failure_reasons.For(reason).Increment();
    const std::string series = "router_nats_publish_failure_reasons_total{reason=\"" +
                               std::string(FailureReasonName(reason)) + "\"}";
    EXPECT_EQ(ValueOf(metrics.Render(), series), 1) << series;
  }
}

TEST(MetricsTest, CountsUnknownDeadLetterReasonsAsRefused) {
  Metrics metrics("1", "c");
  metrics.nats_dead_letters.For("no_stream").Increment();
  metrics.nats_dead_letters.For("expired").Increment();
  metrics.nats_dead_letters.For("something a caller made up").Increment();
  const std::string text = metrics.Render();
  EXPECT_EQ(ValueOf(text, "router_nats_dead_letters_total{reason=\"refused\"}"), 1);
  EXPECT_EQ(ValueOf(text, "router_nats_dead_letters_total{reason=\"no_stream\"}"), 1);
  EXPECT_EQ(ValueOf(text, "router_nats_dead_letters_total{reason=\"expired\"}"), 1);
  EXPECT_THAT(text, Not(HasSubstr("made up")));
}

TEST(MetricsTest, ReadsGaugesWhenRendered) {
  Metrics metrics("1", "c");
  EXPECT_EQ(ValueOf(metrics.Render(), "router_nats_connection_status"), 0);
  GaugeSnapshot gauges;
  gauges.nats_connection_status = 0.5;
  gauges.nats_pending_operations_count = 12;
  gauges.nats_pending_operations_limit = 1000000;
  gauges.nats_pending_bytes = int64_t{1} << 40;
  gauges.nats_pending_bytes_limit = int64_t{1} << 41;
  gauges.nats_pending_oldest_age = absl::Milliseconds(1500);
  gauges.nats_pending_drain_eta = absl::InfiniteDuration();
  gauges.nats_fail_open_enabled = true;
  gauges.nats_fail_open_expire_time = absl::FromUnixSeconds(1700000000);
  gauges.nats_dead_letters_count = 4;
  gauges.nats_dead_letters_bytes = 5000;
  gauges.spool_damaged_records = 3;
  gauges.spool_damaged = true;
  gauges.tls_certificate_expire_time = absl::FromUnixSeconds(1800000000);
  gauges.tls_certificate_stale = true;
  gauges.access_rules_stale = true;
  gauges.messages_unaccounted = -1;
  metrics.SetGaugeProvider([&gauges] { return gauges; });
  const std::string text = metrics.Render();
  EXPECT_EQ(ValueOf(text, "router_nats_connection_status"), 0.5);
  EXPECT_EQ(ValueOf(text, "router_nats_pending_operations_count"), 12);
  EXPECT_EQ(ValueOf(text, "router_nats_pending_operations_limit"), 1000000);
  EXPECT_EQ(ValueOf(text, "router_nats_pending_bytes"), 1099511627776.0);
  EXPECT_EQ(ValueOf(text, "router_nats_pending_bytes_limit"), 2199023255552.0);
  EXPECT_EQ(ValueOf(text, "router_nats_pending_oldest_age_seconds"), 1.5);
  EXPECT_THAT(text, HasSubstr("\nrouter_nats_pending_drain_eta_seconds +Inf\n"));
  EXPECT_EQ(ValueOf(text, "router_nats_fail_open_enabled"), 1);
  EXPECT_EQ(ValueOf(text, "router_nats_fail_open_expire_timestamp_seconds"), 1700000000);
  EXPECT_EQ(ValueOf(text, "router_nats_dead_letters_count"), 4);
  EXPECT_EQ(ValueOf(text, "router_nats_dead_letters_bytes"), 5000);
  EXPECT_EQ(ValueOf(text, "router_spool_damaged_records"), 3);
  EXPECT_EQ(ValueOf(text, "router_spool_damaged"), 1);
  EXPECT_EQ(ValueOf(text, "router_tls_certificate_expire_timestamp_seconds"), 1800000000);
  EXPECT_EQ(ValueOf(text, "router_tls_certificate_stale"), 1);
  EXPECT_EQ(ValueOf(text, "router_access_rules_stale"), 1);
  EXPECT_EQ(ValueOf(text, "router_messages_unaccounted"), -1);

  gauges.nats_fail_open_expire_time = absl::InfiniteFuture();
  gauges.nats_connection_status = 1;
  EXPECT_EQ(ValueOf(metrics.Render(), "router_nats_fail_open_expire_timestamp_seconds"), 0);
  EXPECT_EQ(ValueOf(metrics.Render(), "router_nats_connection_status"), 1);
}

TEST(MetricsTest, GaugeProviderMayUseTheMetrics) {
  Metrics metrics("1", "c");
  metrics.SetGaugeProvider([&metrics] {
    metrics.GrpcMethod("a.B", "C");
    return GaugeSnapshot();
  });
  EXPECT_THAT(metrics.Render(), HasSubstr("router_messages_unaccounted 0\n"));
}

TEST(MetricsTest, CountsGrpcCallsByMethodAndCode) {
  Metrics metrics("1", "c");
  GrpcMethodMetrics* const publish = metrics.GrpcMethod("router.v1.PublisherService", "Publish");
  EXPECT_EQ(publish, metrics.GrpcMethod("router.v1.PublisherService", "Publish"));
  publish->Handled(0, absl::Milliseconds(3));
  publish->Handled(8, absl::Milliseconds(3));
  publish->Handled(99, absl::Milliseconds(3));
  publish->Handled(-1, absl::Milliseconds(3));
  metrics.GrpcMethod("grpc.health.v1.Health", "Check")->Handled(0, absl::Milliseconds(1));
  const std::string text = metrics.Render();
  const std::string publish_labels =
      "{grpc_service=\"router.v1.PublisherService\",grpc_method=\"Publish\"";
  const std::string handled = "router_grpc_server_handled_total" + publish_labels;
  EXPECT_EQ(ValueOf(text, handled + ",grpc_code=\"OK\"}"), 1);
  EXPECT_EQ(ValueOf(text, handled + ",grpc_code=\"ResourceExhausted\"}"), 1);
  EXPECT_EQ(ValueOf(text, handled + ",grpc_code=\"Unknown\"}"), 2);
  EXPECT_EQ(ValueOf(text, handled + ",grpc_code=\"Unauthenticated\"}"), 0);
  EXPECT_EQ(ValueOf(text, "router_grpc_server_handling_seconds_count" + publish_labels + "}"), 4);
  EXPECT_EQ(ValueOf(text,
                    "router_grpc_server_handled_total{grpc_service=\"grpc.health.v1.Health\","
                    "grpc_method=\"Check\",grpc_code=\"OK\"}"),
            1);
}

TEST(MetricsTest, TellsAboutTheProcess) {
  const double now = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch());
  const std::string text = Metrics("1", "c").Render();
  EXPECT_GE(ValueOf(text, "process_cpu_seconds_total"), 0);
  EXPECT_GE(ValueOf(text, "process_open_fds"), 3);
  EXPECT_GT(ValueOf(text, "process_max_fds"), ValueOf(text, "process_open_fds"));
  EXPECT_GT(ValueOf(text, "process_resident_memory_bytes"), 100000);
  EXPECT_GT(ValueOf(text, "process_virtual_memory_bytes"),
            ValueOf(text, "process_resident_memory_bytes"));
  EXPECT_NEAR(ValueOf(text, "process_start_time_seconds"), now, 600);
  EXPECT_GE(ValueOf(text, "process_threads"), 1);
}

TEST(MetricsTest, NoScrapeShowsMoreFailuresThanPublishes) {
  Metrics metrics("1", "c");
  std::atomic<bool> stop{false};
  std::thread publisher([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      metrics.nats_publish_total.Increment();
      metrics.nats_publish_with_ack_total.Increment();
      metrics.nats_publish_failures_total.Increment();
      metrics.nats_publish_with_ack_failures_total.Increment();
    }
  });
  for (int i = 0; i < 30; ++i) {
    const std::string text = metrics.Render();
    EXPECT_LE(ValueOf(text, "router_nats_publish_failures_total"),
              ValueOf(text, "router_nats_publish_total"));
    EXPECT_LE(ValueOf(text, "router_nats_publish_with_ack_failures_total"),
              ValueOf(text, "router_nats_publish_with_ack_total"));
    EXPECT_LE(ValueOf(text, "router_nats_publish_with_ack_total"),
              ValueOf(text, "router_nats_publish_total"));
  }
  stop = true;
  publisher.join();
}

}  // namespace
}  // namespace router
