#include "server/tracing/span_buffer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_format.h"

namespace router {
namespace {

constexpr uint64_t kStep = 0x9E3779B97F4A7C15;

// SplitMix64: a different result for each different number.
uint64_t Mix(uint64_t number) {
  number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9;
  number = (number ^ (number >> 27)) * 0x94D049BB133111EB;
  return number ^ (number >> 31);
}

}  // namespace

SpanBuffer::SpanBuffer(size_t spans_max, Metrics* metrics)
    : spans_max_(spans_max), metrics_(metrics), next_id_(absl::Uniform<uint64_t>(absl::BitGen())) {}

SpanId SpanBuffer::NewSpanId() {
  uint64_t number = 0;
  while (number == 0) number = Mix(next_id_.fetch_add(kStep, std::memory_order_relaxed));
  const std::string digits = absl::StrFormat("%016x", number);
  SpanId id;
  std::copy(digits.begin(), digits.end(), id.begin());
  return id;
}

void SpanBuffer::Add(Span span) {
  {
    absl::MutexLock lock(&mutex_);
    if (spans_.size() < spans_max_) {
      spans_.push_back(std::move(span));
      return;
    }
  }
  metrics_->otlp_spans_dropped.buffer_full.Increment();
}

std::vector<Span> SpanBuffer::TakeAll() {
  std::vector<Span> taken;
  absl::MutexLock lock(&mutex_);
  taken.swap(spans_);
  return taken;
}

}  // namespace router
