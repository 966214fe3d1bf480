#ifndef ROUTER_SERVER_METRICS_EXPOSITION_H_
#define ROUTER_SERVER_METRICS_EXPOSITION_H_

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "prometheus/metric_family.h"
#include "server/metrics/counter.h"
#include "server/metrics/histogram.h"

namespace router {

// Collects metric families and writes them in the Prometheus text format. Values are read when they
// are added: add a subset before the set it belongs to.
class Exposition {
 public:
  using Labels = std::vector<prometheus::ClientMetric::Label>;

  // One family with one series.
  void AddCounter(const char* name, const char* help, const Counter& counter);
  void AddGauge(const char* name, const char* help, double value, Labels labels = {});
  void AddHistogram(const char* name, const char* help, const Histogram& histogram);
  void AddCounterValue(const char* name, const char* help, double value);

  // One family with a series for each value of one label.
  template <typename Metric>
  using Series = std::initializer_list<std::pair<const char*, const Metric*>>;
  void AddCounters(const char* name, const char* help, const char* label, Series<Counter> series);
  void AddGauges(const char* name, const char* help, const char* label,
                 const std::vector<std::pair<std::string, double>>& series);
  void AddHistograms(const char* name, const char* help, const char* label,
                     Series<Histogram> series);

  // A family to add series to. Valid until the next family is added.
  prometheus::MetricFamily& AddFamily(const char* name, const char* help,
                                      prometheus::MetricType type);
  static void AddSeries(prometheus::MetricFamily& family, Labels labels, const Counter& counter);
  static void AddSeries(prometheus::MetricFamily& family, Labels labels,
                        const Histogram& histogram);

  // All families, by name.
  std::string Serialize() &&;

 private:
  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace router

#endif  // ROUTER_SERVER_METRICS_EXPOSITION_H_
