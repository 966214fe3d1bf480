#include "server/tracing/otlp_exporter.h"

#include <deque>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/server/base/fake_clock.h"
#include "tests/server/log/log_capture.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A collector that answers as it is told, then with 200, and remembers what it took.
class FakeCollector {
 public:
  void AnswerNext(const HttpResult& result) {
    absl::MutexLock lock(&mutex_);
    answers_.push_back(result);
  }

  HttpResult Post(absl::string_view body) {
    absl::MutexLock lock(&mutex_);
    const nlohmann::json json = nlohmann::json::parse(std::string(body));
    std::vector<std::string> names;
    for (const auto& span : json["resourceSpans"][0]["scopeSpans"][0]["spans"]) {
      names.push_back(span["name"]);
    }
    requests_.push_back(names);
    if (answers_.empty()) return {200, "", absl::ZeroDuration()};
    const HttpResult answer = answers_.front();
    answers_.pop_front();
    return answer;
  }

  std::vector<std::vector<std::string>> WaitForRequests(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto there = [&] {
      mutex_.AssertReaderHeld();
      return requests_.size() >= count;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(30));
    return requests_;
  }

 private:
  absl::Mutex mutex_;
  std::deque<HttpResult> answers_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::vector<std::string>> requests_ ABSL_GUARDED_BY(mutex_);
};

class OtlpExporterTest : public ::testing::Test {
 protected:
  static OtlpExporter::Options MakeOptions() {
    OtlpExporter::Options options;
    options.url = "http://collector/v1/traces";
    options.resource = {"1.0", {{"service.name", "router"}}};
    options.interval = absl::Milliseconds(1);
    options.retry_delay = absl::Milliseconds(1);
    return options;
  }

  void Add(int count, const std::string& prefix = "s") {
    for (int i = 0; i < count; ++i) {
      Span span;
      span.context = *ParseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
      span.parent_id = span.context.span_id;
      span.name = absl::StrCat(prefix, i);
      spans_.Add(std::move(span));
    }
  }

  void Stop() { exporter_.Stop(absl::Seconds(30)); }

  FakeClock clock_;
  LogCapture capture_;
  Logger log_{Logger::Options(), &clock_, capture_.AsSink()};
  Metrics metrics_{"1.0", "unknown"};
  SpanBuffer spans_{10000, &metrics_};
  FakeCollector collector_;
  OtlpExporter exporter_{
      MakeOptions(), [this](absl::string_view body) { return collector_.Post(body); },
      &clock_,       &spans_,
      &metrics_,     &log_};
};

TEST_F(OtlpExporterTest, SendsWhatIsInTheBuffer) {
  Add(2);
  exporter_.Start();
  EXPECT_THAT(collector_.WaitForRequests(1), ElementsAre(ElementsAre("s0", "s1")));
  Stop();
  EXPECT_EQ(metrics_.otlp_spans_exported_total.Value(), 2u);
  EXPECT_EQ(metrics_.otlp_export_failures_total.Value(), 0u);
  EXPECT_THAT(capture_.Lines(), IsEmpty());
}

TEST_F(OtlpExporterTest, SendsInBatches) {
  Add(static_cast<int>(OtlpExporter::kBatchSpansMax) + 1);
  exporter_.Start();
  const auto requests = collector_.WaitForRequests(2);
  Stop();
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_THAT(requests[0], SizeIs(OtlpExporter::kBatchSpansMax));
  EXPECT_THAT(requests[1], SizeIs(1));
}

TEST_F(OtlpExporterTest, TriesAgainWhatCannotBeTakenForNow) {
  collector_.AnswerNext({0, "connection refused", absl::ZeroDuration()});
  collector_.AnswerNext({503, "", absl::ZeroDuration()});
  collector_.AnswerNext({429, "", absl::ZeroDuration()});
  Add(1);
  exporter_.Start();
  EXPECT_THAT(collector_.WaitForRequests(4), SizeIs(4));
  Stop();
  EXPECT_EQ(metrics_.otlp_spans_exported_total.Value(), 1u);
  EXPECT_EQ(metrics_.otlp_export_failures_total.Value(), 3u);
  EXPECT_THAT(capture_.Lines(), IsEmpty());
}

TEST_F(OtlpExporterTest, DropsWhatFailsTooOftenAndGoesOn) {
  for (int i = 0; i < OtlpExporter::kAttemptsMax; ++i) {
    collector_.AnswerNext({0, "connection refused", absl::ZeroDuration()});
  }
  Add(3);
  exporter_.Start();
  ASSERT_TRUE(capture_.WaitFor("OTLP_EXPORT_FAILED", 1, absl::Seconds(30)));
  Add(1, "later");
  const auto requests = collector_.WaitForRequests(OtlpExporter::kAttemptsMax + 1);
  Stop();
  EXPECT_THAT(requests.back(), ElementsAre("later0"));
  EXPECT_EQ(metrics_.otlp_spans_dropped.export_failed.Value(), 3u);
  EXPECT_EQ(metrics_.otlp_spans_exported_total.Value(), 1u);
  const nlohmann::json event = capture_.Events("OTLP_EXPORT_FAILED").front();
  EXPECT_EQ(event["level"], "WARN");
  EXPECT_EQ(event["endpoint"], "http://collector/v1/traces");
  EXPECT_EQ(event["reason"], "connection refused");
  EXPECT_EQ(event["spans"], 3);
}

TEST_F(OtlpExporterTest, WhatIsRefusedIsNotTriedAgain) {
  collector_.AnswerNext({400, "no such thing", absl::ZeroDuration()});
  Add(1);
  exporter_.Start();
  ASSERT_TRUE(capture_.WaitFor("OTLP_EXPORT_FAILED", 1, absl::Seconds(30)));
  Stop();
  EXPECT_THAT(collector_.WaitForRequests(1), SizeIs(1));
  EXPECT_EQ(capture_.Events("OTLP_EXPORT_FAILED").front()["status"], 400);
}

TEST_F(OtlpExporterTest, StoppingSendsWhatIsLeft) {
  exporter_.Start();
  Add(5);
  Stop();
  EXPECT_EQ(metrics_.otlp_spans_exported_total.Value(), 5u);
}

TEST_F(OtlpExporterTest, StoppingWithoutTimeDropsWhatIsLeft) {
  for (int i = 0; i < 1000; ++i) collector_.AnswerNext({503, "", absl::Hours(1)});
  Add(5);
  exporter_.Start();
  collector_.WaitForRequests(1);  // Now it waits for an hour.
  Add(2);
  exporter_.Stop(absl::ZeroDuration());
  EXPECT_TRUE(exporter_.gives_up());
  EXPECT_EQ(metrics_.otlp_spans_dropped.export_failed.Value(), 7u);
}

TEST(OtlpTracesUrlTest, IsBelowTheEndpoint) {
  EXPECT_EQ(OtlpTracesUrl("http://c:4318"), "http://c:4318/v1/traces");
  EXPECT_EQ(OtlpTracesUrl("https://c/otlp/"), "https://c/otlp/v1/traces");
}

}  // namespace
}  // namespace router
