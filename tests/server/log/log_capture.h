#ifndef ROUTER_TESTS_SERVER_LOG_LOG_CAPTURE_H_
#define ROUTER_TESTS_SERVER_LOG_LOG_CAPTURE_H_

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "server/log/logger.h"

namespace router {

// Keeps what a Logger writes, for tests. Thread-safe; must outlive the logger it is the sink of.
class LogCapture {
 public:
  Logger::Sink AsSink() {
    return [this](absl::string_view line) {
      absl::MutexLock lock(&mutex_);
      lines_.emplace_back(line);
    };
  }

  std::vector<std::string> Lines() const {
    absl::MutexLock lock(&mutex_);
    return lines_;
  }

  // The events with this code, or all, in the order they were written.
  std::vector<nlohmann::json> Events(absl::string_view error_code = "") const {
    absl::MutexLock lock(&mutex_);
    return Matching(error_code);
  }

  // Waits for at least `count` events with this code; false when the time is up.
  bool WaitFor(absl::string_view error_code, size_t count, absl::Duration timeout) const {
    const auto there = [this, error_code, count] {
      mutex_.AssertReaderHeld();
      return Matching(error_code).size() >= count;
    };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&there), timeout);
  }

 private:
  std::vector<nlohmann::json> Matching(absl::string_view error_code) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    std::vector<nlohmann::json> events;
    for (const std::string& line : lines_) {
      nlohmann::json event = nlohmann::json::parse(line);
      if (error_code.empty() || event.value("error_code", "") == error_code) {
        events.push_back(std::move(event));
      }
    }
    return events;
  }

  mutable absl::Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace router

#endif  // ROUTER_TESTS_SERVER_LOG_LOG_CAPTURE_H_
