#include "server/telemetry/telemetry.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/errors/errors.h"
#include "server/log/logger.h"
#include "server/metrics/metrics.h"
#include "server/tracing/span_buffer.h"
#include "tests/server/base/fake_clock.h"
#include "tests/server/dispatcher/router_rig.h"
#include "tests/server/log/log_capture.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// A rig whose observer is Telemetry, and the promises of its header after everything.
class TelemetryTest : public ::testing::Test {
 protected:
  TelemetryTest() : rig_(Options()) {}

  RigOptions Options() {
    RigOptions options;
    options.publish_observer = &telemetry_;
    options.drain_observer = &telemetry_;
    options.dispatcher.queue_count_max = 3;
    return options;
  }

  void Settle() {
    rig_.transport.Pump();
    rig_.queue.Flush();
  }

  void ExpectConsistent() {
    const PublishOutcomeCounters& outcomes = metrics_.nats_publish_outcomes;
    EXPECT_EQ(metrics_.nats_publish_total.Value() - metrics_.nats_publish_failures_total.Value(),
              outcomes.delivered.Value());
    const PublishFailureReasonCounters& reasons = metrics_.nats_publish_failure_reasons;
    EXPECT_EQ(reasons.not_connected.Value() + reasons.timeout.Value() +
                  reasons.connection_closed.Value() + reasons.no_responders.Value() +
                  reasons.broker_error.Value() + reasons.fault_injected.Value() +
                  reasons.backlog.Value(),
              metrics_.nats_publish_failures_total.Value());
    EXPECT_EQ(metrics_.messages_accepted_total.Value(),
              static_cast<uint64_t>(rig_.ledger().accepted));
  }

  nlohmann::json OnlyEvent(absl::string_view code) {
    const std::vector<nlohmann::json> events = capture_.Events(code);
    EXPECT_THAT(events, SizeIs(1)) << code;
    return events.empty() ? nlohmann::json() : events.front();
  }

  FakeClock clock_;
  LogCapture capture_;
  Logger log_{Logger::Options(), &clock_, capture_.AsSink()};
  Metrics metrics_{"1.0", "unknown"};
  SpanBuffer spans_{100, &metrics_};
  int exhausted_ = 0;
  Telemetry telemetry_{
      {"reject", 3, "keep_queueing", [this] { return rig_.ledger().queued_count; }, &spans_},
      &clock_,
      &metrics_,
      &log_,
      [this] { ++exhausted_; }};
  RouterRig rig_;
};

constexpr char kTraceId[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr Header kSampled[] = {
    {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}};
constexpr Header kNotSampled[] = {
    {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"}};

MessageSpec WithTrace(absl::Span<const Header> headers) {
  MessageSpec spec;
  spec.headers.assign(headers.begin(), headers.end());
  return spec;
}

TEST_F(TelemetryTest, LinesAboutAMessageNameItsTrace) {
  for (int i = 0; i < 3; ++i) rig_.Queue(WithTrace(kNotSampled));
  rig_.Publish(WithTrace(kNotSampled));
  rig_.SetFailOpen(true);
  rig_.Publish(WithTrace(kNotSampled));
  rig_.transport.Connect();
  rig_.transport.FailNext(Verdict::kRefused, FailureReason::kBrokerError,
                          Refusal::kMessageTooLarge);
  EXPECT_TRUE(rig_.Drain());
  for (const char* code :
       {"NATS_PUBLISH_WITH_ACK_QUEUED", "NATS_QUEUE_FULL", "NATS_PUBLISH_WITH_ACK_ERROR",
        "NATS_FAIL_OPEN_DROPPED", "NATS_DEAD_LETTER"}) {
    const std::vector<nlohmann::json> events = capture_.Events(code);
    EXPECT_THAT(events, Not(IsEmpty())) << code;
    for (const nlohmann::json& event : events) EXPECT_EQ(event.value("trace_id", ""), kTraceId);
  }
}

TEST_F(TelemetryTest, AMessageWithoutATraceHasNoTraceId) {
  const Header malformed[] = {{"traceparent", "00-1234"}};
  rig_.Publish({});
  rig_.Publish(WithTrace(malformed));
  Settle();
  const auto events = capture_.Events("NATS_PUBLISH_WITH_ACK_QUEUED");
  ASSERT_THAT(events, SizeIs(2));
  for (const nlohmann::json& event : events) EXPECT_FALSE(event.contains("trace_id"));
}

TEST_F(TelemetryTest, ADeliveryFromTheQueueIsASpanOfItsTrace) {
  rig_.Queue(WithTrace(kSampled));
  rig_.Queue(WithTrace(kNotSampled));
  rig_.Queue({});
  EXPECT_THAT(spans_.TakeAll(), IsEmpty());
  rig_.transport.Connect();
  EXPECT_TRUE(rig_.Drain());
  const std::vector<Span> spans = spans_.TakeAll();
  ASSERT_THAT(spans, SizeIs(1));
  EXPECT_EQ(TextOf(spans[0].context.trace_id), kTraceId);
  EXPECT_EQ(TextOf(spans[0].parent_id), "00f067aa0ba902b7");
  EXPECT_NE(spans[0].context.span_id, spans[0].parent_id);
  EXPECT_EQ(spans[0].kind, Span::Kind::kProducer);
  EXPECT_LE(spans[0].start_time, spans[0].end_time);
  EXPECT_EQ(spans[0].error, "");
}

TEST_F(TelemetryTest, DeliveredIsNoFailure) {
  rig_.transport.Connect();
  rig_.Publish({});
  Settle();
  EXPECT_EQ(metrics_.nats_publish_total.Value(), 1u);
  EXPECT_EQ(metrics_.nats_publish_with_ack_total.Value(), 1u);
  EXPECT_EQ(metrics_.nats_publish_failures_total.Value(), 0u);
  EXPECT_EQ(metrics_.nats_publish_outcomes.delivered.Value(), 1u);
  EXPECT_EQ(metrics_.nats_publish_latency_seconds.Fold().count, 1u);
  EXPECT_EQ(metrics_.nats_delivery_latency_seconds.direct.Fold().count, 1u);
  ExpectConsistent();
}

TEST_F(TelemetryTest, PublishesAreCountedBeforeTheyAreAnswered) {
  rig_.transport.Connect();
  rig_.Publish({});
  EXPECT_EQ(metrics_.nats_publish_total.Value(), 1u);
  EXPECT_EQ(metrics_.nats_publish_outcomes.delivered.Value(), 0u);
  Settle();
}

TEST_F(TelemetryTest, CoreMessagesAreNotCountedAsAskingForAnAck) {
  MessageSpec spec;
  spec.guarantee = Guarantee::kReceived;
  rig_.Publish(spec);
  Settle();
  EXPECT_EQ(metrics_.nats_publish_total.Value(), 1u);
  EXPECT_EQ(metrics_.nats_publish_with_ack_total.Value(), 0u);
  EXPECT_EQ(metrics_.nats_publish_failures_total.Value(), 1u);
  EXPECT_EQ(metrics_.nats_publish_with_ack_failures_total.Value(), 0u);
  EXPECT_EQ(OnlyEvent("NATS_PUBLISH_QUEUED")["subject"], "orders.eu");
  EXPECT_THAT(capture_.Events("NATS_PUBLISH_WITH_ACK_QUEUED"), IsEmpty());
}

TEST_F(TelemetryTest, QueuedIsAFailureWithItsReason) {
  rig_.Publish({"k"});
  Settle();
  EXPECT_EQ(metrics_.nats_publish_failure_reasons.not_connected.Value(), 1u);
  EXPECT_EQ(metrics_.nats_publish_with_ack_failures_total.Value(), 1u);
  EXPECT_EQ(metrics_.nats_publish_outcomes.queued.Value(), 1u);
  const nlohmann::json event = OnlyEvent("NATS_PUBLISH_WITH_ACK_QUEUED");
  EXPECT_EQ(event["level"], "WARN");
  EXPECT_EQ(event["subject"], "k");
  EXPECT_EQ(event["connection_state"], "disconnected");
  ExpectConsistent();
}

TEST_F(TelemetryTest, ConnectionStateOfTheLogFollowsTheConnection) {
  rig_.transport.Connect();
  rig_.transport.Disconnect();
  rig_.Publish({"k"});
  rig_.queue.Flush();
  rig_.transport.Exhaust();
  rig_.Publish({"k"});
  rig_.queue.Flush();
  const auto events = capture_.Events("NATS_PUBLISH_WITH_ACK_QUEUED");
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0]["connection_state"], "reconnecting");
  EXPECT_EQ(events[1]["connection_state"], "exhausted");
}

TEST_F(TelemetryTest, EveryPathCountsOnceAndHasOneReason) {
  rig_.transport.Connect();
  const PublishFailureReasonCounters& reasons = metrics_.nats_publish_failure_reasons;

  rig_.transport.FailNext(Verdict::kInDoubt, FailureReason::kTimeout);
  rig_.Publish({"a"});
  Settle();
  EXPECT_EQ(reasons.timeout.Value(), 1u);
  ExpectConsistent();

  rig_.Publish({"a"});  // Behind its backlog.
  Settle();
  EXPECT_EQ(reasons.backlog.Value(), 1u);
  ExpectConsistent();

  rig_.transport.FailNext(Verdict::kRefused, FailureReason::kBrokerError);
  rig_.Publish({"b"});
  Settle();
  EXPECT_EQ(reasons.broker_error.Value(), 1u);
  EXPECT_EQ(OnlyEvent("NATS_PUBLISH_WITH_ACK_ERROR")["reason"], "fake: broker_error");
  ExpectConsistent();

  rig_.transport.FailNext(Verdict::kFailed, FailureReason::kFaultInjected);
  rig_.Publish({"c"});
  Settle();
  EXPECT_EQ(reasons.fault_injected.Value(), 1u);
  ExpectConsistent();

  rig_.Publish({"d"});
  rig_.transport.Disconnect();  // The queue is full by now.
  rig_.queue.Flush();
  EXPECT_EQ(reasons.connection_closed.Value(), 1u);
  EXPECT_EQ(metrics_.nats_publish_outcomes.rejected.Value(), 2u);
  ExpectConsistent();

  rig_.SetFailOpen(true);
  rig_.Publish({"e"});
  EXPECT_EQ(metrics_.nats_publish_outcomes.dropped_fail_open.Value(), 1u);
  EXPECT_EQ(reasons.not_connected.Value(), 1u);
  ExpectConsistent();

  rig_.Publish({"e"}, absl::ZeroDuration());
  ExpectConsistent();
  rig_.dispatcher.StopAccepting();
  rig_.Publish({"f"});
  ExpectConsistent();
  EXPECT_EQ(metrics_.nats_publish_total.Value(), 8u);
}

TEST_F(TelemetryTest, ReplaysArePublishesButAcceptNothing) {
  rig_.transport.Connect();
  for (int i = 0; i < 2; ++i) {
    rig_.Publish({"k", "content", "mine"});
    Settle();
    ExpectConsistent();
  }
  rig_.Publish({"k", "other content", "mine"});
  ExpectConsistent();
  rig_.transport.Disconnect();
  for (int i = 0; i < 2; ++i) {
    rig_.Publish({"k", "content", "another"});
    Settle();
    ExpectConsistent();
  }
  EXPECT_EQ(metrics_.nats_publish_total.Value(), 5u);
  EXPECT_EQ(metrics_.messages_accepted_total.Value(), 2u);
}

TEST_F(TelemetryTest, MalformedMessagesAreRejectedAndNoPublishes) {
  MessageSpec malformed;
  malformed.valid = false;
  rig_.Publish(malformed);
  EXPECT_EQ(metrics_.nats_publish_total.Value(), 0u);
  EXPECT_EQ(metrics_.nats_publish_failures_total.Value(), 0u);
  EXPECT_EQ(metrics_.nats_publish_outcomes.rejected.Value(), 1u);
  EXPECT_THAT(capture_.Lines(), IsEmpty());
}

TEST_F(TelemetryTest, FullQueueIsLogged) {
  for (int i = 0; i < 3; ++i) rig_.Queue({"k"});
  rig_.Publish({"k"});
  const nlohmann::json event = OnlyEvent("NATS_QUEUE_FULL");
  EXPECT_EQ(event["level"], "WARN");
  EXPECT_EQ(event["queue_size"], 3);
  EXPECT_EQ(event["max_size"], 3);
  EXPECT_EQ(event["policy"], "reject");
  OnlyEvent("NATS_PUBLISH_WITH_ACK_ERROR");
}

TEST_F(TelemetryTest, AQueueThatIsFullBeforeItsLimitIsLoggedAsItIs) {
  rig_.Queue({"k"});
  Operation operation;
  operation.was_asked = true;
  operation.outcome = Outcome::kRejected;
  operation.status = error::SpoolFull("no space");
  Operation* const operations[] = {&operation};
  telemetry_.OnAnswered(operations);
  EXPECT_EQ(OnlyEvent("NATS_QUEUE_FULL")["queue_size"], 1);
  EXPECT_EQ(OnlyEvent("NATS_QUEUE_FULL")["max_size"], 3);
}

TEST_F(TelemetryTest, FullWindowIsNotAFullQueue) {
  Operation operation;
  operation.was_asked = true;
  operation.reason = FailureReason::kTimeout;
  operation.outcome = Outcome::kRejected;
  operation.status = error::WindowFull(10, 10);
  Operation* const operations[] = {&operation};
  telemetry_.OnAnswered(operations);
  EXPECT_THAT(capture_.Events("NATS_QUEUE_FULL"), IsEmpty());
  OnlyEvent("NATS_PUBLISH_WITH_ACK_ERROR");
}

TEST_F(TelemetryTest, DroppedMessagesAreLoggedWithTheirId) {
  rig_.SetFailOpen(true);
  rig_.Publish({"k", "secret", "mine"});
  const nlohmann::json event = OnlyEvent("NATS_FAIL_OPEN_DROPPED");
  EXPECT_EQ(event["level"], "WARN");
  EXPECT_EQ(event["subject"], "k");
  EXPECT_EQ(event["message_id"], "mine");
  for (const std::string& line : capture_.Lines()) EXPECT_THAT(line, Not(HasSubstr("secret")));
}

TEST_F(TelemetryTest, ConnectionEventsAreCountedAndLoggedInOrder) {
  rig_.transport.FailAttempt("refused");
  rig_.transport.Connect();
  rig_.transport.Disconnect("reset");
  rig_.transport.FailAttempt("refused again");
  rig_.transport.Exhaust();
  rig_.transport.Connect();

  std::vector<std::string> story;
  for (const nlohmann::json& event : capture_.Events()) {
    story.push_back(event["level"].get<std::string>() + " " +
                    event["error_code"].get<std::string>());
  }
  EXPECT_THAT(story,
              ElementsAre("WARN NATS_RECONNECT_FAILED", "INFO NATS_RECONNECT_ATTEMPT",
                          "INFO NATS_CONNECTION_ESTABLISHED", "ERROR NATS_CONNECTION_LOST",
                          "INFO NATS_RECONNECT_ATTEMPT", "WARN NATS_RECONNECT_FAILED",
                          "ERROR NATS_RECONNECTION_EXHAUSTED", "INFO NATS_RECONNECT_ATTEMPT",
                          "INFO NATS_CONNECTION_ESTABLISHED", "INFO NATS_CONNECTION_RESTORED"));
  EXPECT_EQ(metrics_.nats_connection_established_total.Value(), 2u);
  EXPECT_EQ(metrics_.nats_connection_lost_total.Value(), 1u);
  EXPECT_EQ(metrics_.nats_connection_restored_total.Value(), 1u);
  EXPECT_EQ(metrics_.nats_connection_failures_total.Value(), 2u);
  EXPECT_EQ(metrics_.nats_reconnect_attempts_total.Value(), 3u);
  EXPECT_EQ(metrics_.nats_reconnect_failures_total.Value(), 1u);
  EXPECT_EQ(metrics_.nats_reconnection_exhausted_total.Value(), 1u);
  EXPECT_EQ(exhausted_, 1);
  EXPECT_EQ(OnlyEvent("NATS_CONNECTION_LOST")["error_tag"], "nats_connection_failure");
  EXPECT_EQ(OnlyEvent("NATS_CONNECTION_LOST")["reason"], "reset");
  EXPECT_EQ(OnlyEvent("NATS_CONNECTION_RESTORED")["error_tag"], "nats_connection_recovered");
  EXPECT_EQ(OnlyEvent("NATS_RECONNECTION_EXHAUSTED")["on_exhausted"], "keep_queueing");
}

TEST_F(TelemetryTest, ReconnectAttemptTellsItsBudgetAndDelay) {
  ConnectionEvent event;
  event.kind = ConnectionEvent::Kind::kReconnectAttempt;
  event.attempts = 3;
  event.max_attempts = 10;
  event.delay = absl::Milliseconds(1500);
  telemetry_.OnConnectionEvent(event);
  const nlohmann::json logged = OnlyEvent("NATS_RECONNECT_ATTEMPT");
  EXPECT_EQ(logged["error_tag"], "nats_reconnecting");
  EXPECT_EQ(logged["attempt"], 3);
  EXPECT_EQ(logged["max_attempts"], 10);
  EXPECT_EQ(logged["delay_ms"], 1500);
}

TEST_F(TelemetryTest, DrainIsCountedAndLogged) {
  for (int i = 0; i < 3; ++i) rig_.Queue({"k"});
  rig_.transport.Connect();
  rig_.drainer.Step();
  EXPECT_EQ(OnlyEvent("NATS_RETRY_PENDING")["pending_count"], 3);
  rig_.transport.Disconnect();
  rig_.drainer.Step();
  rig_.transport.Connect();
  EXPECT_TRUE(rig_.Drain());
  EXPECT_EQ(metrics_.nats_pending_operations_retry.Value(), 6u);
  EXPECT_EQ(metrics_.nats_pending_operations_retry_success.Value(), 3u);
  EXPECT_EQ(metrics_.nats_pending_operations_retry_failed.Value(), 3u);
  EXPECT_EQ(metrics_.nats_delivery_latency_seconds.queued.Fold().count, 3u);
  EXPECT_EQ(metrics_.nats_publish_total.Value(), 3u) << "a retry is not a new publish";
  const auto ends = capture_.Events("NATS_RETRY_COMPLETE");
  ASSERT_THAT(ends, SizeIs(2));
  EXPECT_EQ(ends[0]["level"], "INFO");
  EXPECT_EQ(ends[0]["success_count"], 0);
  EXPECT_EQ(ends[0]["failed_count"], 3);
  EXPECT_EQ(ends[1]["success_count"], 3);
  EXPECT_EQ(ends[1]["failed_count"], 0);
  EXPECT_TRUE(ends[1].contains("duration_ms"));
  ExpectConsistent();
}

TEST_F(TelemetryTest, DeadLettersAreCountedByReasonAndLogged) {
  rig_.Queue({"k"});
  rig_.transport.Connect();
  rig_.transport.FailNext(Verdict::kRefused, FailureReason::kBrokerError,
                          Refusal::kMessageTooLarge);
  EXPECT_TRUE(rig_.Drain());
  EXPECT_EQ(metrics_.nats_dead_letters.too_large.Value(), 1u);
  const nlohmann::json event = OnlyEvent("NATS_DEAD_LETTER");
  EXPECT_EQ(event["level"], "ERROR");
  EXPECT_EQ(event["operation_id"], 1);
  EXPECT_EQ(event["reason"], "too_large");
  EXPECT_EQ(event["attempts"], 1);
}

TEST_F(TelemetryTest, RemovalsAreCountedByTheirCause) {
  rig_.Queue({"k"});
  ASSERT_EQ(*rig_.queue.Purge({1}), 1);
  EXPECT_EQ(metrics_.messages_purged_total.Value(), 1u);
  telemetry_.OnRemoved(2, RemovalCause::kDroppedOldest);
  EXPECT_EQ(metrics_.nats_pending_operations_dropped_total.Value(), 2u);
  EXPECT_EQ(OnlyEvent("NATS_QUEUE_FULL")["dropped"], 2);
  EXPECT_EQ(OnlyEvent("NATS_QUEUE_FULL")["kept"], false);
  EXPECT_EQ(metrics_.nats_dead_letters.dropped_oldest.Value(), 0u);
}

TEST_F(TelemetryTest, DroppedMessagesThatAreKeptCountAsDroppedAndAsDeadLetters) {
  telemetry_.OnRemoved(2, RemovalCause::kDroppedAndKept);
  EXPECT_EQ(metrics_.nats_pending_operations_dropped_total.Value(), 2u);
  EXPECT_EQ(metrics_.nats_dead_letters.dropped_oldest.Value(), 2u);
  EXPECT_EQ(OnlyEvent("NATS_QUEUE_FULL")["kept"], true);
}

TEST_F(TelemetryTest, LatencyIsThatOfTheCall) {
  rig_.transport.Connect();
  Call& call = rig_.PublishBatch({{"a"}, {"b"}});
  call.start_time -= std::chrono::milliseconds(250);
  rig_.transport.ReleaseAll();
  const Histogram::Snapshot latency = metrics_.nats_publish_latency_seconds.Fold();
  EXPECT_EQ(latency.count, 2u);
  EXPECT_NEAR(latency.sum_seconds, 0.5, 1e-6);
}

TEST_F(TelemetryTest, RepeatingEventsAreLimitedAndCountersAreNot) {
  rig_.SetFailOpen(true);
  for (int i = 0; i < 100; ++i) rig_.Publish({"k"});
  EXPECT_THAT(capture_.Events("NATS_FAIL_OPEN_DROPPED"), SizeIs(10));
  EXPECT_EQ(metrics_.nats_publish_outcomes.dropped_fail_open.Value(), 100u);
  ExpectConsistent();
}

}  // namespace
}  // namespace router
