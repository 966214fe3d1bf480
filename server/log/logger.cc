#include "server/log/logger.h"

#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/log/json_text.h"

namespace router {
namespace {

// Room for what may follow the fields: `,"suppressed":…`, `,"truncated":true` and `}\n`.
constexpr size_t kTailBytesMax = 64;

void WriteToStandardError(absl::string_view line) {
  while (!line.empty()) {
    const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // There is nowhere left to complain.
    line.remove_prefix(static_cast<size_t>(written));
  }
}

// Some events are known to operators under a tag of their own.
std::string ErrorTag(absl::string_view error_code) {
  if (error_code == "NATS_CONNECTION_LOST") return "nats_connection_failure";
  if (error_code == "NATS_CONNECTION_RESTORED") return "nats_connection_recovered";
  if (error_code == "NATS_RECONNECT_ATTEMPT") return "nats_reconnecting";
  return absl::AsciiStrToLower(error_code);
}

std::string Timestamp(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

// Appends the field, unless it makes the line too long; returns whether all of it is there.
bool AppendField(const LogField& field, std::string& line) {
  const size_t size_before = line.size();
  line.push_back(',');
  AppendJsonString(field.key(), Logger::kValueBytesMax, line);
  line.push_back(':');
  const bool whole = AppendJsonValue(field.value(), Logger::kValueBytesMax, line);
  if (line.size() <= Logger::kLineBytesMax - kTailBytesMax) return whole;
  line.resize(size_before);
  return false;
}

}  // namespace

absl::string_view LogLevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "DEBUG";
    case LogLevel::kInfo:
      return "INFO";
    case LogLevel::kWarn:
      return "WARN";
    case LogLevel::kError:
      break;
  }
  return "ERROR";
}

absl::optional<LogLevel> ParseLogLevel(absl::string_view name) {
  for (LogLevel level : {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    if (absl::AsciiStrToUpper(name) == LogLevelName(level)) return level;
  }
  return absl::nullopt;
}

Logger::Logger(Options options, Clock* clock, Sink sink)
    : level_min_(options.level_min),
      clock_(clock),
      sink_(sink ? std::move(sink) : WriteToStandardError),
      rate_limiter_(options.events_per_second_max) {}

void Logger::SetOptions(Options options) {
  level_min_.store(options.level_min, std::memory_order_relaxed);
  rate_limiter_.SetLimit(options.events_per_second_max);
}

void Logger::Event(LogLevel level, absl::string_view error_code, absl::string_view message,
                   std::initializer_list<LogField> fields) {
  if (level >= level_min_.load(std::memory_order_relaxed))
    Write(level, error_code, message, fields, 0);
}

void Logger::RepeatingEvent(LogLevel level, absl::string_view error_code, absl::string_view message,
                            std::initializer_list<LogField> fields) {
  if (level < level_min_.load(std::memory_order_relaxed)) return;
  const absl::optional<uint64_t> suppressed = rate_limiter_.Admit(error_code, clock_->SteadyNow());
  if (suppressed.has_value()) Write(level, error_code, message, fields, *suppressed);
}

void Logger::Write(LogLevel level, absl::string_view error_code, absl::string_view message,
                   std::initializer_list<LogField> fields, uint64_t suppressed) {
  std::string line;
  line.reserve(512);
  absl::StrAppend(&line, "{\"timestamp\":\"", Timestamp(clock_->WallNow()), "\",\"level\":\"",
                  LogLevelName(level), "\",\"message\":");
  bool whole = AppendJsonString(message, kValueBytesMax, line);
  whole &= AppendField({"error_code", error_code}, line);
  whole &= AppendField({"error_tag", ErrorTag(error_code)}, line);
  for (const LogField& field : fields) {
    if (!field.is_absent()) whole &= AppendField(field, line);
  }
  if (suppressed > 0) absl::StrAppend(&line, ",\"suppressed\":", suppressed);
  if (!whole) line += ",\"truncated\":true";
  line += "}\n";
  sink_(line);
}

}  // namespace router
