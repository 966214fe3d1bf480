#include "server/log/logger.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/base/clock.h"
#include "tests/server/log/log_capture.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StoppedClock : public Clock {
 public:
  SteadyTime SteadyNow() override { return SteadyTime(std::chrono::milliseconds(steady_ms)); }
  absl::Time WallNow() override { return absl::FromUnixMillis(1700000000007); }

  std::atomic<int> steady_ms{0};
};

class LoggerTest : public ::testing::Test {
 protected:
  StoppedClock clock_;
  LogCapture capture_;
};

TEST_F(LoggerTest, WritesOneJsonObjectPerLineInTheDocumentedOrder) {
  Logger log({}, &clock_, capture_.AsSink());
  log.Event(LogLevel::kWarn, "NATS_PUBLISH_QUEUED", "kept for later",
            {{"subject", std::string("demo.\"x\"")},
             {"connection_state", "reconnecting"},
             {"server", std::string_view("n1")},
             {"attempt", 3},
             {"bytes", uint64_t{18446744073709551615u}},
             {"rate", 0.5f},
             {"on", true}});
  EXPECT_THAT(capture_.Lines(),
              ElementsAre("{\"timestamp\":\"2023-11-14T22:13:20.007Z\",\"level\":\"WARN\","
                          "\"message\":\"kept for later\",\"error_code\":\"NATS_PUBLISH_QUEUED\","
                          "\"error_tag\":\"nats_publish_queued\",\"subject\":\"demo.\\\"x\\\"\","
                          "\"connection_state\":\"reconnecting\",\"server\":\"n1\",\"attempt\":3,"
                          "\"bytes\":18446744073709551615,\"rate\":0.5,\"on\":true}\n"));
}

TEST_F(LoggerTest, TagsConnectionEventsAsOperatorsKnowThem) {
  Logger log({}, &clock_, capture_.AsSink());
  for (const char* code : {"NATS_CONNECTION_LOST", "NATS_RECONNECT_ATTEMPT",
                           "NATS_CONNECTION_RESTORED", "NATS_RECONNECT_FAILED"}) {
    log.Event(LogLevel::kError, code, "x");
  }
  std::vector<std::string> tags;
  for (const auto& event : capture_.Events()) tags.push_back(event["error_tag"]);
  EXPECT_THAT(tags, ElementsAre("nats_connection_failure", "nats_reconnecting",
                                "nats_connection_recovered", "nats_reconnect_failed"));
}

TEST_F(LoggerTest, LeavesOutWhatIsBelowItsLevel) {
  Logger log({.level_min = LogLevel::kWarn}, &clock_, capture_.AsSink());
  log.Event(LogLevel::kInfo, "A", "x");
  log.RepeatingEvent(LogLevel::kInfo, "B", "x");
  EXPECT_THAT(capture_.Lines(), IsEmpty());
  log.Event(LogLevel::kWarn, "C", "x");
  log.RepeatingEvent(LogLevel::kError, "D", "x");
  EXPECT_THAT(capture_.Lines(), SizeIs(2));
}

TEST_F(LoggerTest, SaysHowManyRepeatingEventsItHeldBack) {
  Logger log({.events_per_second_max = 2}, &clock_, capture_.AsSink());
  for (int i = 0; i < 100; ++i) {
    log.RepeatingEvent(LogLevel::kWarn, "NATS_FAIL_OPEN_DROPPED", "gone", {{"number", i}});
  }
  ASSERT_THAT(capture_.Lines(), SizeIs(2));
  EXPECT_FALSE(capture_.Events()[1].contains("suppressed"));
  clock_.steady_ms = 1000;
  log.RepeatingEvent(LogLevel::kWarn, "NATS_FAIL_OPEN_DROPPED", "gone", {{"number", 100}});
  ASSERT_THAT(capture_.Lines(), SizeIs(3));
  EXPECT_EQ(capture_.Events()[2]["suppressed"], 98);
  EXPECT_EQ(capture_.Events()[2]["number"], 100);
}

TEST_F(LoggerTest, WritesEveryEventThatDoesNotRepeat) {
  Logger log({.events_per_second_max = 2}, &clock_, capture_.AsSink());
  for (int i = 0; i < 100; ++i) log.Event(LogLevel::kInfo, "NATS_RECONNECT_ATTEMPT", "again");
  EXPECT_THAT(capture_.Lines(), SizeIs(100));
}

TEST_F(LoggerTest, KeepsLinesShortEnoughForOneWrite) {
  Logger log({.events_per_second_max = 1}, &clock_, capture_.AsSink());
  const std::string wild(5000, '\x01');
  log.RepeatingEvent(LogLevel::kWarn, "A", wild);
  log.RepeatingEvent(LogLevel::kWarn, "A", wild);
  clock_.steady_ms = 1000;
  log.RepeatingEvent(LogLevel::kWarn, "A", wild,
                     {{"one", wild}, {"two", wild}, {"three", wild}, {"small", 1}});
  const std::string line = capture_.Lines().back();
  EXPECT_LE(line.size(), Logger::kLineBytesMax);
  EXPECT_THAT(line, EndsWith("}\n"));
  const nlohmann::json event = capture_.Events().back();
  EXPECT_EQ(event["truncated"], true);
  EXPECT_EQ(event["suppressed"], 1);
  EXPECT_TRUE(event.contains("one"));
  EXPECT_FALSE(event.contains("three"));
  EXPECT_EQ(event["small"], 1);
}

TEST_F(LoggerTest, StaysValidJsonWhateverTheBytes) {
  Logger log({}, &clock_, capture_.AsSink());
  std::string all_bytes;
  for (int i = 0; i < 256; ++i) all_bytes.push_back(static_cast<char>(i));
  log.Event(LogLevel::kInfo, "A", all_bytes, {{"subject", all_bytes}});
  ASSERT_THAT(capture_.Events("A"), SizeIs(1));
}

TEST_F(LoggerTest, LinesOfThreadsDoNotInterleaveOnStandardError) {
  constexpr int kThreads = 4;
  constexpr int kEvents = 250;
  const std::string path = ::testing::TempDir() + "/stderr.txt";
  const int saved_stderr = dup(STDERR_FILENO);
  const int file = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_APPEND, 0600);
  dup2(file, STDERR_FILENO);
  {
    Logger log({}, &clock_);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&log, text = std::string(900, static_cast<char>('a' + i))] {
        for (int j = 0; j < kEvents; ++j) log.Event(LogLevel::kInfo, "A", text);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  dup2(saved_stderr, STDERR_FILENO);
  close(saved_stderr);
  close(file);
  std::ifstream input(path);
  const std::string text{std::istreambuf_iterator<char>(input), std::istreambuf_iterator<char>()};
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  EXPECT_THAT(lines, SizeIs(kThreads * kEvents));
  for (const std::string& line : lines) {
    ASSERT_TRUE(nlohmann::json::accept(line)) << line;
  }
}

TEST(LogLevelTest, ParsesTheNamesOfAllLevels) {
  for (LogLevel level : {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    EXPECT_EQ(ParseLogLevel(LogLevelName(level)), level);
  }
  EXPECT_EQ(ParseLogLevel("warn"), LogLevel::kWarn);
  EXPECT_EQ(ParseLogLevel("loud"), absl::nullopt);
}

TEST_F(LoggerTest, OptionsCanChange) {
  Logger log({LogLevel::kWarn, 1}, &clock_, capture_.AsSink());
  log.Event(LogLevel::kInfo, "QUIET", "not written");
  log.SetOptions({LogLevel::kDebug, 2});
  log.Event(LogLevel::kDebug, "LOUD", "written");
  for (int i = 0; i < 3; ++i) log.RepeatingEvent(LogLevel::kInfo, "OFTEN", "some of them");
  log.SetOptions({LogLevel::kError, 0});
  for (int i = 0; i < 5; ++i) log.RepeatingEvent(LogLevel::kError, "OFTEN", "all of them");
  log.Event(LogLevel::kWarn, "QUIET", "not written");
  EXPECT_THAT(capture_.Events("QUIET"), IsEmpty());
  EXPECT_THAT(capture_.Events("LOUD"), SizeIs(1));
  EXPECT_THAT(capture_.Events("OFTEN"), SizeIs(2 + 5));
}

}  // namespace
}  // namespace router
