#include "server/services/publish_trace.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/errors/errors.h"
#include "server/metrics/metrics.h"

namespace router {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kTraceId[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kParentId[] = "00f067aa0ba902b7";
constexpr char kSampled[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr char kNotSampled[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const absl::Time kNow = absl::FromUnixSeconds(1767225600);

class TestBatch final : public PublishBatch {
 public:
  using PublishBatch::PublishBatch;

 protected:
  void Done() override {}
};

class PublishTraceTest : public ::testing::Test {
 protected:
  std::unique_ptr<PublishTrace> Begin(const char* traceparent, SpanBuffer* spans,
                                      const char* tracestate = nullptr) {
    CallMetadata metadata = {{"user-agent", "grpc"}, {"traceparent", traceparent}};
    if (tracestate != nullptr) metadata.emplace("tracestate", tracestate);
    return PublishTrace::Begin(ReadCallerTrace(metadata), spans);
  }

  // Ends `trace` as a call with these outcomes, and returns its span.
  Span SpanOf(PublishTrace* trace, const std::vector<Outcome>& outcomes) {
    TestBatch batch(outcomes.size());
    for (size_t i = 0; i < outcomes.size(); ++i) {
      Operation& operation = batch.operations()[i];
      operation.message.subject = "orders.eu";
      operation.message.message_id = "id";
      operation.message.payload = "secret";
      operation.outcome = outcomes[i];
      if (outcomes[i] == Outcome::kRejected) operation.status = error::Draining();
    }
    trace->End("Publish", &batch, absl::OkStatus(), kNow, absl::Milliseconds(3));
    std::vector<Span> spans = spans_.TakeAll();
    EXPECT_THAT(spans, SizeIs(1));
    return spans.empty() ? Span() : spans.front();
  }

  static std::string Attribute(const Span& span, absl::string_view key) {
    for (const SpanAttribute& attribute : span.attributes) {
      if (attribute.key != key) continue;
      if (const auto* text = absl::get_if<std::string>(&attribute.value)) return *text;
      return absl::StrCat(absl::get<int64_t>(attribute.value));
    }
    return "absent";
  }

  Metrics metrics_{"1.0", "unknown"};
  SpanBuffer spans_{100, &metrics_};
};

TEST_F(PublishTraceTest, ACallWithoutTraceparentHasNone) {
  EXPECT_FALSE(ReadCallerTrace({{"user-agent", "grpc"}, {"tracestate", "a=1"}}).has_value());
  EXPECT_EQ(PublishTrace::Begin(absl::nullopt, &spans_), nullptr);
}

TEST_F(PublishTraceTest, AMalformedOrRepeatedTraceparentIsNone) {
  EXPECT_EQ(Begin("00-xyz", &spans_), nullptr);
  const CallMetadata twice = {{"traceparent", kSampled}, {"traceparent", kSampled}};
  EXPECT_FALSE(ReadCallerTrace(twice).has_value());
}

TEST_F(PublishTraceTest, PassesTheCallersSpanOnWhereNothingIsExported) {
  const auto trace = Begin(kSampled, nullptr, "vendor=1");
  ASSERT_NE(trace, nullptr);
  ASSERT_THAT(trace->headers(), SizeIs(2));
  EXPECT_EQ(trace->headers()[0].key, "traceparent");
  EXPECT_EQ(trace->headers()[0].value, kSampled);
  EXPECT_EQ(trace->headers()[1].key, "tracestate");
  EXPECT_EQ(trace->headers()[1].value, "vendor=1");
  TestBatch batch(1);
  trace->End("Publish", &batch, absl::OkStatus(), kNow, absl::ZeroDuration());
}

TEST_F(PublishTraceTest, WhatIsNotSampledIsPassedOnAndNotRecorded) {
  const auto trace = Begin(kNotSampled, &spans_);
  ASSERT_NE(trace, nullptr);
  EXPECT_EQ(trace->headers()[0].value, kNotSampled);
  TestBatch batch(1);
  trace->End("Publish", &batch, absl::OkStatus(), kNow, absl::ZeroDuration());
  EXPECT_THAT(spans_.TakeAll(), IsEmpty());
}

TEST_F(PublishTraceTest, MessagesCarryTheSpanThatIsRecorded) {
  const auto trace = Begin(kSampled, &spans_, "vendor=1");
  const std::string passed_on(trace->headers()[0].value);
  const Span span = SpanOf(trace.get(), {Outcome::kDelivered});
  EXPECT_EQ(passed_on, absl::StrCat("00-", kTraceId, "-", TextOf(span.context.span_id), "-01"));
  EXPECT_EQ(TextOf(span.parent_id), kParentId);
  EXPECT_NE(TextOf(span.context.span_id), kParentId);
  EXPECT_EQ(span.tracestate, "vendor=1");
  EXPECT_EQ(span.name, "router.v1.PublisherService/Publish");
  EXPECT_EQ(span.end_time, kNow);
  EXPECT_EQ(span.start_time, kNow - absl::Milliseconds(3));
  EXPECT_EQ(span.error, "");
  EXPECT_EQ(Attribute(span, "messaging.destination.name"), "orders.eu");
  EXPECT_EQ(Attribute(span, "messaging.message.id"), "id");
  EXPECT_EQ(Attribute(span, "router.delivered"), "1");
  EXPECT_EQ(Attribute(span, "router.queued"), "absent");
}

TEST_F(PublishTraceTest, ABatchCountsItsOutcomes) {
  const auto trace = Begin(kSampled, &spans_);
  const Span span = SpanOf(trace.get(), {Outcome::kDelivered, Outcome::kQueued, Outcome::kQueued});
  EXPECT_EQ(Attribute(span, "messaging.batch.message_count"), "3");
  EXPECT_EQ(Attribute(span, "messaging.destination.name"), "absent");
  EXPECT_EQ(Attribute(span, "router.delivered"), "1");
  EXPECT_EQ(Attribute(span, "router.queued"), "2");
  EXPECT_EQ(span.error, "") << "a queued message is accepted";
}

TEST_F(PublishTraceTest, WhatIsNotAcceptedIsAnError) {
  EXPECT_EQ(SpanOf(Begin(kSampled, &spans_).get(), {Outcome::kDelivered, Outcome::kDropped}).error,
            "dropped: fail-open mode is on");
  EXPECT_EQ(SpanOf(Begin(kSampled, &spans_).get(), {Outcome::kRejected}).error,
            std::string(error::Draining().message()));
  const auto trace = Begin(kSampled, &spans_);
  trace->End("PublishBatch", nullptr, error::BatchInvalid(0, 10), kNow, absl::ZeroDuration());
  EXPECT_EQ(spans_.TakeAll().at(0).error, std::string(error::BatchInvalid(0, 10).message()));
}

TEST_F(PublishTraceTest, AMalformedTracestateIsLeftOut) {
  EXPECT_THAT(Begin(kSampled, nullptr, "no equals sign")->headers(), SizeIs(1));
}

TEST_F(PublishTraceTest, SeveralTracestatesAreOne) {
  const CallMetadata metadata = {
      {"traceparent", kSampled}, {"tracestate", "a=1"}, {"tracestate", "b=2"}};
  EXPECT_EQ(ReadCallerTrace(metadata)->tracestate, "a=1,b=2");
}

}  // namespace
}  // namespace router
