#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "clients/cli/commands.h"
#include "clients/cli/output.h"
#include "clients/cli/rpc.h"
#include "clients/cli/status_view.h"
#include "clients/cli/units.h"

namespace router::cli {
namespace {

// The exit codes of monitoring plug-ins.
enum class Level { kOk = 0, kWarning = 1, kCritical = 2, kUnknown = 3 };

const char* LevelName(Level level) {
  switch (level) {
    case Level::kOk:
      return "OK";
    case Level::kWarning:
      return "WARNING";
    case Level::kCritical:
      return "CRITICAL";
    case Level::kUnknown:
      break;
  }
  return "UNKNOWN";
}

struct Findings {
  Level level = Level::kOk;
  std::vector<std::string> texts;

  void Add(Level found, std::string text) {
    level = std::max(level, found);
    texts.push_back(std::move(text));
  }
};

double Usage(int64_t used, int64_t limit) {
  return limit <= 0 ? 0 : 100.0 * static_cast<double>(used) / static_cast<double>(limit);
}

void CheckConnection(const v1::ConnectionStatus& connection, Findings& findings) {
  if (connection.state() == v1::CONNECTION_STATE_CONNECTED) return;
  const Level level =
      connection.state() == v1::CONNECTION_STATE_RECONNECTING ? Level::kWarning : Level::kCritical;
  std::string text = absl::StrCat("broker connection ", StateName(connection.state()));
  if (!connection.last_error().empty()) absl::StrAppend(&text, " (", connection.last_error(), ")");
  findings.Add(level, std::move(text));
}

void CheckQueue(const v1::PendingQueueStatus& queue, double warning_percent, Findings& findings) {
  if (!queue.healthy()) findings.Add(Level::kCritical, "the queue's disk cannot be written");
  if (queue.has_damage()) {
    findings.Add(Level::kCritical,
                 absl::StrCat("the queue on disk was damaged, ", queue.damage().records(),
                              " messages set aside or missing, see ", queue.damage().log()));
  }
  const double usage =
      std::max(Usage(queue.count(), queue.count_max()), Usage(queue.bytes(), queue.bytes_max()));
  if (usage >= 100) {
    findings.Add(Level::kCritical, "queue full");
  } else if (usage > warning_percent) {
    findings.Add(Level::kWarning, absl::StrFormat("queue %.1f %% full", usage));
  }
  if (queue.delivery_paused()) findings.Add(Level::kWarning, "delivery is paused");
}

Findings CheckStatus(const v1::RouterStatus& status, double warning_percent) {
  Findings findings;
  CheckConnection(status.connection(), findings);
  CheckQueue(status.queue(), warning_percent, findings);
  if (status.fail_open().enabled()) {
    findings.Add(Level::kWarning,
                 absl::StrCat("fail-open mode is on (", status.fail_open().reason(), ")"));
  }
  if (status.totals().unaccounted() != 0) {
    findings.Add(Level::kWarning,
                 absl::StrCat(status.totals().unaccounted(), " messages unaccounted for"));
  }
  if (findings.texts.empty()) {
    findings.texts.push_back(absl::StrCat("connected to ", status.connection().server_url(), ", ",
                                          HumanCount(status.queue().count()), " pending"));
  }
  return findings;
}

// 'label'=value[unit];[warn];[crit];[min];[max]
std::string Performance(const v1::RouterStatus& status, double warning_percent) {
  const v1::PendingQueueStatus& queue = status.queue();
  const auto limited = [warning_percent](const char* label, int64_t value, const char* unit,
                                         int64_t limit) {
    const auto warning = static_cast<int64_t>(static_cast<double>(limit) * warning_percent / 100);
    return absl::StrFormat("%s=%d%s;%d;%d;0;%d", label, value, unit, warning, limit, limit);
  };
  const v1::Totals& totals = status.totals();
  return absl::StrJoin(
      {limited("pending", queue.count(), "", queue.count_max()),
       limited("pending_bytes", queue.bytes(), "B", queue.bytes_max()),
       absl::StrFormat("oldest_age=%.3fs;;;0",
                       absl::ToDoubleSeconds(FromProto(queue.oldest_age()))),
       absl::StrFormat("drain_rate=%.1f;;;0", queue.drain_rate()),
       absl::StrFormat("dead_letters=%d;;;0", queue.dead_letters()),
       absl::StrFormat("accepted=%dc delivered=%dc dropped=%dc rejected=%dc unaccounted=%d",
                       totals.accepted(), totals.delivered(),
                       totals.dropped_fail_open() + totals.dropped_oldest(), totals.rejected(),
                       totals.unaccounted())},
      " ");
}

// One line; a `|` in it would start the performance data.
ExitCode Report(const Invocation& invocation, const Findings& findings,
                const std::string& performance) {
  std::string text = Printable(absl::StrJoin(findings.texts, "; "));
  std::replace(text.begin(), text.end(), '|', '/');
  invocation.environment.out << "ROUTER " << LevelName(findings.level) << " - " << text
                             << (performance.empty() ? "" : " | ") << performance << "\n";
  return static_cast<ExitCode>(findings.level);
}

absl::StatusOr<ExitCode> RunCheck(const Invocation& invocation) {
  const auto warning_percent = invocation.arguments.GetInteger("queue-warning", 1, 100);
  if (!warning_percent.ok()) return warning_percent.status();
  const auto response = CallAdmin(invocation, "get the status", &v1::AdminService::Stub::GetStatus,
                                  v1::GetStatusRequest());
  Findings findings;
  if (!response.ok()) {
    findings.Add(Level::kUnknown, DescribeError(response.status(), invocation.options));
    return Report(invocation, findings, "");
  }
  const auto percent = static_cast<double>(*warning_percent);
  findings = CheckStatus(response->status(), percent);
  return Report(invocation, findings, Performance(response->status(), percent));
}

}  // namespace

std::vector<Command> CheckCommands() {
  Command check;
  check.path = "check";
  check.summary = "Checks the router as a monitoring plug-in";
  check.details =
      "Prints one line with performance data and ends with\n"
      "  0  OK\n"
      "  1  WARNING: reconnecting, queue above --queue-warning, fail-open mode on, delivery "
      "paused,\n"
      "     messages unaccounted for\n"
      "  2  CRITICAL: disconnected, reconnection exhausted, queue full, disk cannot be written\n"
      "  3  UNKNOWN: no router answers, or a wrong command line";
  check.flags = {{"queue-warning", "PERCENT", "warn above this much of the queue's limit", "80"}};
  check.examples = {"routerctl check", "routerctl check --queue-warning 50 --timeout 3s"};
  check.run = RunCheck;
  return {check};
}

}  // namespace router::cli
