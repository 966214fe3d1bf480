#include "clients/cli/status_view.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "clients/cli/output.h"
#include "clients/cli/units.h"

namespace router::cli {
namespace {

std::string Percent(int64_t part, int64_t whole) {
  if (whole <= 0) return "";
  return absl::StrFormat(" (%.1f %%)",
                         100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string ColoredState(const Invocation& invocation, v1::ConnectionState state) {
  const Color color = state == v1::CONNECTION_STATE_CONNECTED      ? Color::kGreen
                      : state == v1::CONNECTION_STATE_RECONNECTING ? Color::kYellow
                                                                   : Color::kRed;
  return Colored(invocation, color, StateName(state));
}

std::string Connection(const Invocation& invocation, const v1::ConnectionStatus& connection) {
  std::string text = ColoredState(invocation, connection.state());
  if (!connection.server_url().empty()) {
    absl::StrAppend(&text, " to ", Printable(connection.server_url()));
  }
  if (!connection.server_name().empty()) {
    absl::StrAppend(&text, " (", Printable(connection.server_name()), ")");
  }
  if (connection.has_since()) {
    absl::StrAppend(&text, " for ",
                    HumanDuration(invocation.environment.now() - FromProto(connection.since())));
  }
  absl::StrAppend(&text, ", ", connection.transport(), ", connection ", connection.epoch());
  return text;
}

std::string Attempts(const v1::ConnectionStatus& connection) {
  if (connection.attempts() == 0) return "";
  std::string text = absl::StrCat(connection.attempts());
  if (connection.attempts_max() > 0) absl::StrAppend(&text, " of ", connection.attempts_max());
  return absl::StrCat(text, " failed");
}

std::string Queue(const Invocation& invocation, const v1::PendingQueueStatus& queue) {
  std::string text =
      absl::StrCat(HumanCount(queue.count()), " of ", HumanCount(queue.count_max()), " operations",
                   Percent(queue.count(), queue.count_max()), ", ", HumanBytes(queue.bytes()),
                   " of ", HumanBytes(queue.bytes_max()), Percent(queue.bytes(), queue.bytes_max()),
                   ", when full: ", queue.full_policy());
  if (queue.delivery_paused()) {
    absl::StrAppend(&text, ", ", Colored(invocation, Color::kYellow, "PAUSED"));
  }
  if (!queue.healthy()) {
    absl::StrAppend(&text, ", ", Colored(invocation, Color::kRed, "DISK CANNOT BE WRITTEN"));
  }
  return text;
}

std::string Damage(const Invocation& invocation, const v1::PendingQueueStatus& queue) {
  if (!queue.has_damage()) return "";
  const v1::QueueDamage& damage = queue.damage();
  return absl::StrCat(
      Colored(invocation, Color::kRed, "QUEUE DAMAGED"), " since ",
      HumanTime(FromProto(damage.since())), ", at most ", HumanCount(damage.records()),
      " messages set aside or missing; see, then move away, ", Printable(damage.log()));
}

std::string Drain(const v1::PendingQueueStatus& queue) {
  if (queue.count() == 0) return "";
  std::string text = absl::StrFormat("%.1f per second", queue.drain_rate());
  if (queue.has_drain_eta()) {
    absl::StrAppend(&text, ", empty in ", HumanDuration(FromProto(queue.drain_eta())));
  }
  if (queue.has_oldest_age()) {
    absl::StrAppend(&text, ", oldest ", HumanDuration(FromProto(queue.oldest_age())));
  }
  return text;
}

std::string Mode(const Invocation& invocation, const v1::FailOpenMode& mode) {
  if (!mode.enabled()) return "off";
  std::string text = Colored(invocation, Color::kYellow, "ON");
  if (mode.has_expire_time()) {
    absl::StrAppend(&text, " for another ",
                    HumanDuration(FromProto(mode.expire_time()) - invocation.environment.now()));
  }
  return absl::StrCat(text, ", by ", Printable(mode.actor()), ": ", Printable(mode.reason()));
}

std::string TotalsText(const v1::Totals& totals) {
  std::string text =
      absl::StrCat(HumanCount(totals.accepted()), " accepted, ", HumanCount(totals.delivered()),
                   " delivered, ", HumanCount(totals.queued()), " queued");
  const auto append = [&text](int64_t count, const char* what) {
    if (count != 0) absl::StrAppend(&text, ", ", HumanCount(count), " ", what);
  };
  append(totals.dropped_fail_open(), "dropped (fail-open)");
  append(totals.dropped_oldest(), "dropped (oldest)");
  append(totals.purged(), "purged");
  append(totals.dead_lettered(), "dead-lettered");
  append(totals.rejected(), "rejected");
  append(totals.unaccounted(), "UNACCOUNTED (a defect)");
  return text;
}

// "3 (no_stream 2, expired 1)"
std::string DeadLetters(const v1::PendingQueueStatus& queue) {
  const std::map<std::string, int64_t> by_reason(queue.dead_letters_by_reason().begin(),
                                                 queue.dead_letters_by_reason().end());
  std::vector<std::string> parts;
  for (const auto& [reason, count] : by_reason) {
    parts.push_back(absl::StrCat(Printable(reason), " ", HumanCount(count)));
  }
  const std::string total = HumanCount(queue.dead_letters());
  return parts.empty() ? total : absl::StrCat(total, " (", absl::StrJoin(parts, ", "), ")");
}

}  // namespace

std::string StateName(v1::ConnectionState state) {
  return ShortName(v1::ConnectionState_Name(state), "CONNECTION_STATE_");
}

void PrintMode(const Invocation& invocation, const v1::FailOpenMode& mode) {
  PrintProperties(
      {
          {"Fail-open",
           mode.enabled() ? Colored(invocation, Color::kYellow, "ON") : std::string("off")},
          {"Set by", Printable(mode.actor())},
          {"Reason", Printable(mode.reason())},
          {"Since", mode.has_since() ? HumanTime(FromProto(mode.since())) : ""},
          {"Ends", mode.has_expire_time() ? HumanTime(FromProto(mode.expire_time())) : ""},
          {"Etag", Printable(mode.etag())},
      },
      invocation.environment.out);
}

void PrintStatus(const Invocation& invocation, const v1::RouterStatus& status) {
  const v1::PendingQueueStatus& queue = status.queue();
  PrintProperties(
      {
          {"Router", absl::StrCat("version ", Printable(status.version()), ", up ",
                                  HumanDuration(FromProto(status.uptime())))},
          {"Connection", Connection(invocation, status.connection())},
          {"Attempts", Attempts(status.connection())},
          {"Last error", Printable(status.connection().last_error())},
          {"Fail-open", Mode(invocation, status.fail_open())},
          {"Queue", Queue(invocation, queue)},
          {"Damage", Damage(invocation, queue)},
          {"Drain", Drain(queue)},
          {"In flight", absl::StrCat(HumanCount(status.in_flight()), " direct, ",
                                     HumanCount(queue.in_flight()), " from the queue")},
          {"Dead letters", DeadLetters(queue)},
          {"Totals", TotalsText(status.totals())},
      },
      invocation.environment.out);
}

std::string StatusLine(const Invocation& invocation, const v1::RouterStatus& status) {
  const v1::PendingQueueStatus& queue = status.queue();
  return absl::StrCat(
      HumanTime(invocation.environment.now()), " ", StateName(status.connection().state()),
      " queue ", HumanCount(queue.count()), " (", HumanBytes(queue.bytes()), ")",
      absl::StrFormat(" drain %.1f/s", queue.drain_rate()), " in flight ",
      HumanCount(status.in_flight() + queue.in_flight()), " delivered ",
      HumanCount(status.totals().delivered()), " fail-open ",
      status.fail_open().enabled() ? "ON" : "off", queue.delivery_paused() ? " PAUSED" : "");
}

}  // namespace router::cli
