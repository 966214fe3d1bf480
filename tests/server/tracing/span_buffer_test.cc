#include "server/tracing/span_buffer.h"

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace router {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

Span Named(const std::string& name) {
  Span span;
  span.name = name;
  return span;
}

TEST(SpanBufferTest, GivesBackWhatItWasGivenInOrder) {
  Metrics metrics("1.0", "unknown");
  SpanBuffer buffer(10, &metrics);
  buffer.Add(Named("a"));
  buffer.Add(Named("b"));
  const std::vector<Span> taken = buffer.TakeAll();
  ASSERT_THAT(taken, SizeIs(2));
  EXPECT_EQ(taken[0].name, "a");
  EXPECT_EQ(taken[1].name, "b");
  EXPECT_THAT(buffer.TakeAll(), IsEmpty());
}

TEST(SpanBufferTest, DropsAndCountsWhatFindsItFull) {
  Metrics metrics("1.0", "unknown");
  SpanBuffer buffer(3, &metrics);
  for (int i = 0; i < 5; ++i) buffer.Add(Named(absl::StrCat(i)));
  EXPECT_EQ(metrics.otlp_spans_dropped.buffer_full.Value(), 2u);
  const std::vector<Span> taken = buffer.TakeAll();
  ASSERT_THAT(taken, SizeIs(3));
  EXPECT_EQ(taken[2].name, "2");
  buffer.Add(Named("room again"));
  EXPECT_THAT(buffer.TakeAll(), SizeIs(1));
}

TEST(SpanBufferTest, IdsAreUniqueAlsoAmongRouters) {
  Metrics metrics("1.0", "unknown");
  SpanBuffer first(1, &metrics), second(1, &metrics);
  std::set<SpanId> seen;
  for (int i = 0; i < 1000; ++i) {
    for (SpanBuffer* buffer : {&first, &second}) {
      const SpanId id = buffer->NewSpanId();
      EXPECT_TRUE(seen.insert(id).second);
      EXPECT_EQ(TextOf(id).find_first_not_of("0123456789abcdef"), absl::string_view::npos);
    }
  }
}

TEST(SpanBufferTest, NothingIsLostBetweenThreads) {
  constexpr int kThreads = 4;
  constexpr int kSpans = 2000;
  Metrics metrics("1.0", "unknown");
  SpanBuffer buffer(kSpans, &metrics);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < kSpans; ++j) {
        Span span = Named("x");
        span.context.span_id = buffer.NewSpanId();
        buffer.Add(std::move(span));
      }
    });
  }
  size_t taken = 0;
  for (int i = 0; i < 100; ++i) taken += buffer.TakeAll().size();
  for (std::thread& thread : threads) thread.join();
  taken += buffer.TakeAll().size();
  EXPECT_EQ(taken + metrics.otlp_spans_dropped.buffer_full.Value(),
            static_cast<size_t>(kThreads * kSpans));
}

}  // namespace
}  // namespace router
