#include "server/tracing/otlp_json.h"

#include <string>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace router {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

Span MakeSpan() {
  Span span;
  span.context = *ParseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  span.parent_id =
      ParseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-aaaaaaaaaaaaaaaa-01")->span_id;
  span.name = "router.v1.PublisherService/Publish";
  span.start_time = absl::FromUnixNanos(1767225600123456789);
  span.end_time = absl::FromUnixNanos(1767225600223456789);
  return span;
}

nlohmann::json Parsed(const std::vector<Span>& spans) {
  return nlohmann::json::parse(OtlpJson({"1.2.3", {{"service.name", "router"}}}, spans));
}

TEST(OtlpJsonTest, HasTheShapeOfARequest) {
  const nlohmann::json json = Parsed({MakeSpan(), MakeSpan()});
  ASSERT_THAT(json["resourceSpans"], SizeIs(1));
  const nlohmann::json& resource = json["resourceSpans"][0];
  EXPECT_EQ(resource["resource"]["attributes"][0]["key"], "service.name");
  EXPECT_EQ(resource["resource"]["attributes"][0]["value"]["stringValue"], "router");
  ASSERT_THAT(resource["scopeSpans"], SizeIs(1));
  EXPECT_EQ(resource["scopeSpans"][0]["scope"]["name"], "router");
  EXPECT_EQ(resource["scopeSpans"][0]["scope"]["version"], "1.2.3");
  ASSERT_THAT(resource["scopeSpans"][0]["spans"], SizeIs(2));
}

TEST(OtlpJsonTest, ASpanHasHexIdsAndNumbersAsStrings) {
  Span made = MakeSpan();
  made.tracestate = "vendor=1";
  made.kind = Span::Kind::kProducer;
  made.attributes = {{"text", std::string("a \"quoted\" word")}, {"number", int64_t{-7}}};
  const nlohmann::json span = Parsed({made})["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
  EXPECT_EQ(span["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(span["spanId"], "00f067aa0ba902b7");
  EXPECT_EQ(span["parentSpanId"], "aaaaaaaaaaaaaaaa");
  EXPECT_EQ(span["traceState"], "vendor=1");
  EXPECT_EQ(span["flags"], 0x301);
  EXPECT_EQ(span["name"], "router.v1.PublisherService/Publish");
  EXPECT_EQ(span["kind"], 4);
  EXPECT_EQ(span["startTimeUnixNano"], "1767225600123456789");
  EXPECT_EQ(span["endTimeUnixNano"], "1767225600223456789");
  ASSERT_THAT(span["attributes"], SizeIs(2));
  EXPECT_EQ(span["attributes"][0]["value"]["stringValue"], "a \"quoted\" word");
  EXPECT_EQ(span["attributes"][1]["key"], "number");
  EXPECT_EQ(span["attributes"][1]["value"]["intValue"], "-7");
  EXPECT_THAT(span["status"], IsEmpty());
}

TEST(OtlpJsonTest, AnErrorIsAStatusWithItsMessage) {
  Span made = MakeSpan();
  made.error = "not \xff UTF-8\n";
  const nlohmann::json span = Parsed({made})["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
  EXPECT_EQ(span["status"]["code"], 2);
  EXPECT_EQ(span["status"]["message"], "not \xEF\xBF\xBD UTF-8\n");
  EXPECT_FALSE(span.contains("traceState"));
}

}  // namespace
}  // namespace router
