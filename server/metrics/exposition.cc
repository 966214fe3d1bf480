#include "server/metrics/exposition.h"

#include <algorithm>
#include <sstream>

#include "prometheus/text_serializer.h"

namespace router {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily& Exposition::AddFamily(const char* name, const char* help, MetricType type) {
  MetricFamily& family = families_.emplace_back();
  family.name = name;
  family.help = help;
  family.type = type;
  return family;
}

void Exposition::AddSeries(MetricFamily& family, Labels labels, const Counter& counter) {
  ClientMetric& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  metric.counter.value = static_cast<double>(counter.Value());
}

void Exposition::AddSeries(MetricFamily& family, Labels labels, const Histogram& histogram) {
  const Histogram::Snapshot snapshot = histogram.Fold();
  ClientMetric& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  metric.histogram.sample_count = snapshot.count;
  metric.histogram.sample_sum = snapshot.sum_seconds;
  for (size_t i = 0; i < snapshot.cumulative_counts.size(); ++i) {
    ClientMetric::Bucket& bucket = metric.histogram.bucket.emplace_back();
    bucket.upper_bound = absl::ToDoubleSeconds(histogram.upper_bounds()[i]);
    bucket.cumulative_count = snapshot.cumulative_counts[i];
  }
}

void Exposition::AddCounter(const char* name, const char* help, const Counter& counter) {
  AddSeries(AddFamily(name, help, MetricType::Counter), {}, counter);
}

void Exposition::AddCounterValue(const char* name, const char* help, double value) {
  AddFamily(name, help, MetricType::Counter).metric.emplace_back().counter.value = value;
}

void Exposition::AddGauge(const char* name, const char* help, double value, Labels labels) {
  ClientMetric& metric = AddFamily(name, help, MetricType::Gauge).metric.emplace_back();
  metric.label = std::move(labels);
  metric.gauge.value = value;
}

void Exposition::AddGauges(const char* name, const char* help, const char* label,
                           const std::vector<std::pair<std::string, double>>& series) {
  prometheus::MetricFamily& family = AddFamily(name, help, prometheus::MetricType::Gauge);
  for (const auto& [value_of_label, value] : series) {
    prometheus::ClientMetric metric;
    metric.label = {{label, value_of_label}};
    metric.gauge.value = value;
    family.metric.push_back(std::move(metric));
  }
}

void Exposition::AddHistogram(const char* name, const char* help, const Histogram& histogram) {
  AddSeries(AddFamily(name, help, MetricType::Histogram), {}, histogram);
}

void Exposition::AddCounters(const char* name, const char* help, const char* label,
                             Series<Counter> series) {
  MetricFamily& family = AddFamily(name, help, MetricType::Counter);
  for (const auto& [value, counter] : series) AddSeries(family, {{label, value}}, *counter);
}

void Exposition::AddHistograms(const char* name, const char* help, const char* label,
                               Series<Histogram> series) {
  MetricFamily& family = AddFamily(name, help, MetricType::Histogram);
  for (const auto& [value, histogram] : series) AddSeries(family, {{label, value}}, *histogram);
}

std::string Exposition::Serialize() && {
  std::sort(families_.begin(), families_.end(),
            [](const MetricFamily& a, const MetricFamily& b) { return a.name < b.name; });
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families_);
  return std::move(text).str();
}

}  // namespace router
