#include "server/services/admin_conversion.h"

#include "server/base/version.h"

namespace router {
namespace {

v1::ConnectionState StateToProto(ConnectionState state) {
  switch (state) {
    case ConnectionState::kDisconnected:
      return v1::CONNECTION_STATE_DISCONNECTED;
    case ConnectionState::kConnected:
      return v1::CONNECTION_STATE_CONNECTED;
    case ConnectionState::kReconnecting:
      return v1::CONNECTION_STATE_RECONNECTING;
    case ConnectionState::kExhausted:
      return v1::CONNECTION_STATE_EXHAUSTED;
    case ConnectionState::kStopped:
      return v1::CONNECTION_STATE_STOPPED;
  }
  return v1::CONNECTION_STATE_UNSPECIFIED;
}

void FillConnection(const RouterStatus& status, const StatusConstants& constants,
                    v1::ConnectionStatus* proto) {
  const ConnectionStatus& connection = status.connection;
  proto->set_state(StateToProto(connection.state));
  proto->set_transport(constants.transport);
  proto->set_server_url(connection.server_url);
  proto->set_server_name(connection.server_name);
  proto->set_epoch(connection.epoch);
  proto->set_attempts(connection.attempts);
  proto->set_attempts_max(constants.attempts_max);
  proto->set_last_error(connection.last_error);
  ToProto(connection.since, proto->mutable_since());
  proto->set_max_payload_bytes(status.max_payload_bytes);
}

void FillDamage(const QueueDamage& damage, v1::QueueDamage* proto) {
  proto->set_records(damage.records);
  ToProto(damage.since, proto->mutable_since());
  proto->set_folder(damage.log_path.substr(0, damage.log_path.find_last_of('/')));
  proto->set_log(damage.log_path);
}

void FillQueue(const RouterStatus& status, const StatusConstants& constants,
               v1::PendingQueueStatus* proto) {
  const LedgerSnapshot& ledger = status.ledger;
  proto->set_count(ledger.queued_count);
  proto->set_count_max(constants.queue_count_max);
  proto->set_bytes(ledger.queued_bytes);
  proto->set_bytes_max(constants.queue_bytes_max);
  if (ledger.queued_count > 0) {
    ToProto(status.oldest_age, proto->mutable_oldest_age());
    if (status.drain_eta != absl::InfiniteDuration()) {
      ToProto(status.drain_eta, proto->mutable_drain_eta());
    }
  }
  proto->set_drain_rate(status.drain_rate);
  proto->set_full_policy(constants.full_policy);
  proto->set_delivery_paused(ledger.paused);
  proto->set_healthy(status.queue.healthy);
  proto->set_dead_letters(status.queue.dead_letters);
  proto->set_dead_letter_bytes(status.queue.dead_letter_bytes);
  for (size_t i = 0; i < kDeadLetterLabels.size(); ++i) {
    const int64_t count = status.queue.dead_letters_by_label[i];
    if (count == 0) continue;
    (*proto->mutable_dead_letters_by_reason())[std::string(kDeadLetterLabels[i])] = count;
  }
  proto->set_in_flight(ledger.redelivering_count);
  if (status.queue.damage.any()) FillDamage(status.queue.damage, proto->mutable_damage());
}

void FillTotals(const RouterStatus& status, v1::Totals* proto) {
  const LedgerSnapshot& ledger = status.ledger;
  proto->set_accepted(ledger.accepted);
  proto->set_delivered(ledger.delivered_direct + ledger.delivered_from_queue);
  proto->set_queued(ledger.told_queued);
  proto->set_dropped_fail_open(ledger.dropped_fail_open);
  proto->set_rejected(ledger.rejected);
  proto->set_dropped_oldest(ledger.dropped_oldest);
  proto->set_purged(ledger.purged);
  proto->set_dead_lettered(ledger.dead_lettered);
  proto->set_unaccounted(status.unaccounted);
  proto->set_redriven(ledger.redriven);
  proto->set_purged_dead_letters(ledger.purged_dead_letters);
}

// What queued operations and dead letters have in common.
template <typename Proto>
void FillRecord(const PendingRecord& record, bool with_content, Proto* proto) {
  proto->set_operation_id(record.sequence);
  proto->set_message_id(record.message_id);
  proto->set_subject(record.subject);
  proto->set_ordering_key(record.ordering_key);
  proto->set_guarantee(record.guarantee == Guarantee::kStored ? v1::GUARANTEE_STORED
                                                              : v1::GUARANTEE_RECEIVED);
  ToProto(record.accept_time, proto->mutable_accept_time());
  if (record.expire_time != absl::InfiniteFuture()) {
    ToProto(record.expire_time, proto->mutable_expire_time());
  }
  proto->set_size_bytes(record.size_bytes);
  if (!with_content) return;
  for (const auto& [key, value] : record.headers) (*proto->mutable_headers())[key] = value;
  proto->set_payload(record.payload);
}

}  // namespace

absl::Time FromProto(const google::protobuf::Timestamp& proto) {
  return absl::FromUnixSeconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

absl::Duration FromProto(const google::protobuf::Duration& proto) {
  return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

void ToProto(absl::Time time, google::protobuf::Timestamp* proto) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  proto->set_seconds(seconds);
  proto->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

void ToProto(absl::Duration duration, google::protobuf::Duration* proto) {
  absl::Duration rest;
  proto->set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  proto->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
}

void ToProto(const RouterStatus& status, const StatusConstants& constants,
             v1::RouterStatus* proto) {
  FillConnection(status, constants, proto->mutable_connection());
  FillQueue(status, constants, proto->mutable_queue());
  ToProto(status.fail_open, proto->mutable_fail_open());
  FillTotals(status, proto->mutable_totals());
  proto->set_version(kRouterVersion);
  ToProto(status.uptime, proto->mutable_uptime());
  proto->set_in_flight(status.ledger.in_flight_count - status.ledger.redelivering_count);
}

void ToProto(const FailOpenState& state, v1::FailOpenMode* proto) {
  proto->set_enabled(state.enabled);
  proto->set_actor(state.actor);
  proto->set_reason(state.reason);
  ToProto(state.since, proto->mutable_since());
  if (state.expire_time != absl::InfiniteFuture()) {
    ToProto(state.expire_time, proto->mutable_expire_time());
  }
  proto->set_etag(state.etag());
}

void ToProto(const AuditEvent& event, v1::AuditEvent* proto) {
  proto->set_id(event.id);
  ToProto(event.time, proto->mutable_time());
  proto->set_actor(event.actor);
  proto->set_method(event.method);
  proto->set_reason(event.reason);
  proto->set_detail(event.detail);
  proto->set_outcome(event.outcome);
  proto->set_request_id(event.request_id);
}

void ToProto(const PendingRecord& record, const absl::optional<Drainer::Attempts>& attempts,
             v1::PendingOperationView view, v1::PendingOperation* proto) {
  FillRecord(record, view == v1::PENDING_OPERATION_VIEW_FULL, proto);
  proto->set_in_flight(record.claimed);
  if (!attempts.has_value()) return;
  proto->set_attempts(attempts->count);
  proto->set_last_error(attempts->last_error);
}

void ToProto(const DeadLetter& dead_letter, v1::DeadLetterView view, v1::DeadLetter* proto) {
  FillRecord(dead_letter.record, view == v1::DEAD_LETTER_VIEW_FULL, proto);
  proto->set_reason(dead_letter.reason.reason);
  proto->set_attempts(dead_letter.reason.attempts);
  proto->set_first_error(dead_letter.reason.first_error);
  proto->set_last_error(dead_letter.reason.error);
  ToProto(dead_letter.dead_time, proto->mutable_dead_time());
}

}  // namespace router
