#include "server/status/router_status.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace router {
namespace {

// Slower than this and nothing is being delivered.
constexpr double kDrainRateMin = 0.01;

double StatusValue(const ConnectionStatus& connection) {
  switch (connection.state) {
    case ConnectionState::kConnected:
      return 1;
    case ConnectionState::kReconnecting:
      return 0.5;
    case ConnectionState::kDisconnected:
    case ConnectionState::kExhausted:
    case ConnectionState::kStopped:
      break;
  }
  return 0;
}

// What would be in the queue if nothing had left it but by delivery, and nothing come back into it.
int64_t UntouchedCount(const Ledger& ledger) {
  return ledger.queued_count + ledger.purged + ledger.dropped_oldest + ledger.dead_lettered +
         ledger.damaged - ledger.redriven;
}

// The books against the queue itself. Between a commit and the moment the books hear of it, the
// queue may hold more (appends not yet reported, confirmed messages not yet removed), never less;
// what was taken out for another reason, or put back, is left out of the account on both sides.
int64_t Unaccounted(const LedgerSnapshot& before, const PendingQueueStats& queue,
                    const LedgerSnapshot& after) {
  const int64_t count = queue.count + queue.taken_total - queue.redriven_total;
  const int64_t count_min = std::min(UntouchedCount(before), UntouchedCount(after));
  const int64_t unremoved = std::max<int64_t>(0, after.delivered_from_queue - queue.removed_total);
  const int64_t count_max = std::max(UntouchedCount(before) + before.appending_count,
                                     UntouchedCount(after) + after.appending_count) +
                            unremoved;
  int64_t difference = 0;
  if (count < count_min) difference = count_min - count;
  if (count > count_max) difference = count_max - count;
  return after.Unaccounted() + difference;
}

}  // namespace

StatusReporter::StatusReporter(const Options& options, Clock* clock, const Transport* transport,
                               const Dispatcher* dispatcher, const Drainer* drainer,
                               const PendingQueue* queue, const ModeController* mode)
    : options_(options),
      clock_(clock),
      transport_(transport),
      dispatcher_(dispatcher),
      drainer_(drainer),
      queue_(queue),
      mode_(mode),
      started_(clock->SteadyNow()) {}

RouterStatus StatusReporter::Get() const {
  RouterStatus status;
  const LedgerSnapshot before = dispatcher_->GetLedger();
  status.queue = queue_->GetStats();
  status.ledger = dispatcher_->GetLedger();
  status.unaccounted = Unaccounted(before, status.queue, status.ledger);
  status.connection = transport_->GetStatus();
  status.max_payload_bytes = transport_->max_payload_bytes();
  status.fail_open = mode_->state();
  status.uptime = absl::FromChrono(clock_->SteadyNow() - started_);
  status.drain_rate = drainer_->RatePerSecond();
  if (status.ledger.queued_count > 0) {
    status.oldest_age =
        std::max(absl::ZeroDuration(), clock_->WallNow() - status.queue.oldest_accept_time);
    status.drain_eta = status.drain_rate < kDrainRateMin
                           ? absl::InfiniteDuration()
                           : absl::Seconds(status.ledger.queued_count / status.drain_rate);
  }
  return status;
}

GaugeSnapshot StatusReporter::GetGauges() const {
  const RouterStatus status = Get();
  GaugeSnapshot gauges;
  gauges.nats_connection_status = StatusValue(status.connection);
  gauges.nats_pending_operations_count = status.ledger.queued_count;
  gauges.nats_pending_operations_limit = options_.queue_count_max;
  gauges.nats_pending_bytes = status.ledger.queued_bytes;
  gauges.nats_pending_bytes_limit = options_.queue_bytes_max;
  gauges.nats_pending_oldest_age = status.oldest_age;
  gauges.nats_pending_drain_eta = status.drain_eta;
  gauges.nats_fail_open_enabled = status.fail_open.enabled;
  gauges.nats_fail_open_expire_time = status.fail_open.expire_time;
  gauges.nats_dead_letters_count = status.queue.dead_letters;
  gauges.nats_dead_letters_bytes = status.queue.dead_letter_bytes;
  gauges.spool_damaged_records = status.queue.damage.records;
  gauges.spool_damaged = status.queue.damage.any();
  gauges.messages_unaccounted = status.unaccounted;
  return gauges;
}

std::vector<std::string> StatusReporter::ReadinessProblems() const {
  std::vector<std::string> problems;
  if (!queue_->GetStats().healthy) problems.push_back("the pending queue cannot be written");
  if (transport_->GetStatus().state == ConnectionState::kStopped) {
    problems.push_back("the router is shutting down");
  }
  return problems;
}

std::vector<std::string> StatusReporter::Warnings() const {
  const QueueDamage damage = queue_->GetStats().damage;
  if (!damage.any()) return {};
  return {absl::StrCat("the pending queue on disk was damaged: at most ", damage.records,
                       " messages are set aside or missing since ",
                       absl::FormatTime(absl::RFC3339_sec, damage.since, absl::UTCTimeZone()),
                       "; see ", damage.log_path)};
}

}  // namespace router
