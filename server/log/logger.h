#ifndef ROUTER_SERVER_LOG_LOGGER_H_
#define ROUTER_SERVER_LOG_LOGGER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "server/base/clock.h"
#include "server/log/log_field.h"
#include "server/log/rate_limiter.h"

namespace router {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

// "DEBUG", "INFO", "WARN", "ERROR".
absl::string_view LogLevelName(LogLevel level);
// The level of that name, in upper or lower case.
absl::optional<LogLevel> ParseLogLevel(absl::string_view name);

// Writes one JSON object per line:
//
//   log->Event(LogLevel::kInfo, "NATS_RETRY_PENDING", "delivering what was queued",
//              {{"pending_count", count}});
//
// gives `timestamp`, `level`, `message`, `error_code`, `error_tag` (the code in lower case, or the
// tag that operators know it by), then the fields in the order given. Payloads and secrets are
// never handed to a logger.
//
// Lines are at most kLineBytesMax bytes and go out by one write each, so they do not interleave,
// not even in a pipe: longer field values are cut, and fields that do not fit are left out, which
// `"truncated": true` says. Bytes that are not UTF-8 come out as U+FFFD.
//
// Thread-safe, lock-free. Borrows the clock.
class Logger {
 public:
  static constexpr size_t kLineBytesMax = 4096;  // PIPE_BUF: a write of that many is atomic.
  static constexpr size_t kValueBytesMax = 1024;

  // Gets each line with its newline. Called by the thread that logs, several at a time.
  using Sink = std::function<void(absl::string_view line)>;

  struct Options {
    LogLevel level_min = LogLevel::kInfo;
    // Per code, for RepeatingEvent. 0: no limit.
    int64_t events_per_second_max = 10;
  };

  // Without a sink, lines go to standard error.
  Logger(Options options, Clock* clock, Sink sink = nullptr);
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  // From now on.
  void SetOptions(Options options);

  // For what happens now and then: always written, if the level is.
  void Event(LogLevel level, absl::string_view error_code, absl::string_view message,
             std::initializer_list<LogField> fields = {});

  // For what can happen with every message: at most `events_per_second_max` lines per second and
  // code. The next line of that code says in `suppressed` how many are missing. A suppressed event
  // costs a look at the clock and two atomic operations; nothing is formatted or allocated.
  void RepeatingEvent(LogLevel level, absl::string_view error_code, absl::string_view message,
                      std::initializer_list<LogField> fields = {});

 private:
  void Write(LogLevel level, absl::string_view error_code, absl::string_view message,
             std::initializer_list<LogField> fields, uint64_t suppressed);

  std::atomic<LogLevel> level_min_;
  Clock* const clock_;
  const Sink sink_;
  RateLimiter rate_limiter_;
};

}  // namespace router

#endif  // ROUTER_SERVER_LOG_LOGGER_H_
