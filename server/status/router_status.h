#ifndef ROUTER_SERVER_STATUS_ROUTER_STATUS_H_
#define ROUTER_SERVER_STATUS_ROUTER_STATUS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/dispatcher/dispatcher.h"
#include "server/drainer/drainer.h"
#include "server/metrics/gauge_snapshot.h"
#include "server/mode/mode_controller.h"
#include "server/pending/pending_queue.h"
#include "transports/transport.h"

namespace router {

// The state of the whole router at one moment.
struct RouterStatus {
  ConnectionStatus connection;
  int64_t max_payload_bytes = 0;
  LedgerSnapshot ledger;
  PendingQueueStats queue;
  FailOpenState fail_open;
  double drain_rate = 0;      // Per second.
  absl::Duration drain_eta;   // Zero when the queue is empty; infinite when nothing drains.
  absl::Duration oldest_age;  // Zero when the queue is empty.
  int64_t unaccounted = 0;    // Messages accepted that are nowhere. 0 unless the router lost some.
  absl::Duration uptime;
};

// Gathers RouterStatus from the parts of a running router, and says it in the forms that metrics
// and probes need. Thread-safe. Borrows the parts.
class StatusReporter {
 public:
  struct Options {
    int64_t queue_count_max = 0;
    int64_t queue_bytes_max = 0;
  };

  StatusReporter(const Options& options, Clock* clock, const Transport* transport,
                 const Dispatcher* dispatcher, const Drainer* drainer, const PendingQueue* queue,
                 const ModeController* mode);

  RouterStatus Get() const;
  GaugeSnapshot GetGauges() const;

  // Why the router cannot keep its promises just now, one line each; empty: it can. That the broker
  // is away is no such reason.
  std::vector<std::string> ReadinessProblems() const;

  // What an operator has to look at although the router keeps its promises, one line each.
  std::vector<std::string> Warnings() const;

  const Options& options() const { return options_; }

 private:
  const Options options_;
  Clock* const clock_;
  const Transport* const transport_;
  const Dispatcher* const dispatcher_;
  const Drainer* const drainer_;
  const PendingQueue* const queue_;
  const ModeController* const mode_;
  const SteadyTime started_;
};

}  // namespace router

#endif  // ROUTER_SERVER_STATUS_ROUTER_STATUS_H_
