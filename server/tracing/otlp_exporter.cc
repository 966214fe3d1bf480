#include "server/tracing/otlp_exporter.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/steady_wait.h"

namespace router {
namespace {

int64_t NanosecondsOf(SteadyTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

bool IsTaken(const HttpResult& result) { return result.status >= 200 && result.status < 300; }

// As OTLP says; no answer at all is as good as 503.
bool MayBeTriedAgain(const HttpResult& result) {
  switch (result.status) {
    case 0:
    case 429:
    case 502:
    case 503:
    case 504:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string OtlpTracesUrl(absl::string_view endpoint) {
  absl::ConsumeSuffix(&endpoint, "/");
  return absl::StrCat(endpoint, "/v1/traces");
}

OtlpExporter::OtlpExporter(Options options, Post post, Clock* clock, SpanBuffer* spans,
                           Metrics* metrics, Logger* log)
    : options_(std::move(options)),
      post_(std::move(post)),
      clock_(clock),
      spans_(spans),
      metrics_(metrics),
      log_(log),
      give_up_ns_(std::numeric_limits<int64_t>::max()) {}

OtlpExporter::~OtlpExporter() { Stop(absl::ZeroDuration()); }

void OtlpExporter::Start() { thread_ = std::thread(&OtlpExporter::Run, this); }

void OtlpExporter::Stop(absl::Duration timeout) {
  if (stopping_.HasBeenNotified()) return;
  give_up_ns_ = NanosecondsOf(clock_->SteadyNow() + absl::ToChronoNanoseconds(timeout));
  stopping_.Notify();
  if (thread_.joinable()) thread_.join();
}

bool OtlpExporter::gives_up() const { return NanosecondsOf(clock_->SteadyNow()) >= give_up_ns_; }

void OtlpExporter::Run() {
  bool last = false;
  while (!last) {
    last = WaitSteadily(stopping_, options_.interval);
    const std::vector<Span> taken = spans_->TakeAll();
    Export(taken);
  }
}

void OtlpExporter::Export(absl::Span<const Span> spans) {
  while (!spans.empty()) {
    const absl::Span<const Span> batch = spans.subspan(0, kBatchSpansMax);
    ExportBatch(batch);
    spans.remove_prefix(batch.size());
  }
}

void OtlpExporter::ExportBatch(absl::Span<const Span> batch) {
  const std::string body = OtlpJson(options_.resource, batch);
  absl::Duration delay = options_.retry_delay;
  HttpResult result;
  for (int attempt = 1; !gives_up(); ++attempt) {
    result = post_(body);
    if (IsTaken(result)) {
      metrics_->otlp_spans_exported_total.Increment(batch.size());
      return;
    }
    metrics_->otlp_export_failures_total.Increment();
    if (attempt == kAttemptsMax || !MayBeTriedAgain(result)) break;
    // Once the router stops there is time for one attempt, not for waiting: a batch that waits then is dropped.
    if (WaitSteadily(stopping_, std::min(kRetryDelayMax, std::max(delay, result.retry_after)))) {
      break;
    }
    delay *= 2;
  }
  Drop(batch, result);
}

void OtlpExporter::Drop(absl::Span<const Span> batch, const HttpResult& result) {
  metrics_->otlp_spans_dropped.export_failed.Increment(batch.size());
  log_->RepeatingEvent(
      LogLevel::kWarn, "OTLP_EXPORT_FAILED", "spans could not be exported and were dropped",
      {{"endpoint", options_.url},
       {"status", result.status},
       {"reason", result.error.empty() ? absl::string_view("no time left") : result.error},
       {"spans", batch.size()}});
}

}  // namespace router
