#include "server/audit/audit_log.h"

#include <signal.h>
#include <sys/resource.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/audit/audit_event.h"
#include "server/errors/errors.h"
#include "tests/server/base/fake_clock.h"
#include "tests/server/base/temp_folder.h"

namespace router {
namespace {

class AuditLogTest : public ::testing::Test {
 protected:
  AuditLogTest() { options_.dir = folder_.File("state"); }

  void Open() {
    log_ = nullptr;
    damage_.clear();
    absl::StatusOr<std::unique_ptr<AuditLog>> log =
        AuditLog::Open(options_, &clock_,
                       [this](absl::string_view what) { damage_.push_back(std::string(what)); });
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }

  std::string Record(const std::string& reason) {
    AuditEvent event;
    event.actor = "operator";
    event.method = "Test";
    event.reason = reason;
    event.outcome = "OK";
    const absl::StatusOr<std::string> id = log_->Record(std::move(event));
    EXPECT_TRUE(id.ok()) << id.status();
    return id.value_or("");
  }

  void RecordMany(int first, int last) {
    for (int i = first; i <= last; ++i) Record(absl::StrCat(i));
  }

  // The reasons of all events, newest first, read page by page.
  std::vector<std::string> Reasons(size_t page_size = 1000, absl::string_view containing = "") {
    std::vector<std::string> reasons;
    std::string before_id;
    do {
      const absl::StatusOr<AuditPage> page = log_->List(
          page_size, before_id,
          [&](const AuditEvent& event) { return absl::StrContains(event.reason, containing); });
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      EXPECT_LE(page->events.size(), page_size);
      for (const AuditEvent& event : page->events) reasons.push_back(event.reason);
      before_id = page->next_before_id;
    } while (!before_id.empty());
    return reasons;
  }

  static std::vector<std::string> Descending(int first, int last) {
    std::vector<std::string> numbers;
    for (int i = first; i >= last; --i) numbers.push_back(absl::StrCat(i));
    return numbers;
  }

  std::string LogContent() const { return folder_.Read("state/audit.log"); }

  TempFolder folder_;
  FakeClock clock_;
  AuditLogOptions options_;
  std::vector<std::string> damage_;
  std::unique_ptr<AuditLog> log_;
};

TEST_F(AuditLogTest, ListsWhatWasRecordedNewestFirst) {
  Open();
  EXPECT_TRUE(Reasons().empty());
  RecordMany(1, 3);
  EXPECT_EQ(Reasons(), Descending(3, 1));
}

TEST_F(AuditLogTest, EventIsInTheFileWhenRecordReturns) {
  Open();
  const std::string id = Record("why");
  const std::string content = LogContent();
  ASSERT_EQ(content.back(), '\n');
  const absl::optional<AuditEvent> event =
      FromJsonLine(absl::string_view(content).substr(0, content.size() - 1));
  ASSERT_TRUE(event.has_value()) << content;
  EXPECT_EQ(event->id, id);
  EXPECT_EQ(event->reason, "why");
  EXPECT_EQ(event->actor, "operator");
  EXPECT_EQ(event->time, clock_.WallNow());
}

TEST_F(AuditLogTest, IdsGrowEvenWhenTheClockStandsOrGoesBack) {
  Open();
  std::string last;
  for (int i = 0; i < 10; ++i) {
    if (i == 5) clock_.SetWall(absl::FromUnixSeconds(0));
    if (i == 8) clock_.SetWall(absl::FromUnixSeconds(-5));
    const std::string id = Record("x");
    EXPECT_GT(id, last);
    EXPECT_EQ(id.size(), kAuditIdDigits);
    last = id;
  }
}

TEST_F(AuditLogTest, IdsGrowAcrossRestarts) {
  Open();
  const std::string first = Record("1");
  clock_.SetWall(absl::FromUnixSeconds(1000));
  Open();
  const std::string second = Record("2");
  EXPECT_GT(second, first) << "the clock went back while the router was down";
}

TEST_F(AuditLogTest, IdsGrowWhereTheFilesAreGone) {
  Open();
  const std::string first = Record("1");
  std::filesystem::remove(folder_.File("state/audit.log"));
  clock_.Advance(absl::Seconds(1));
  Open();
  EXPECT_TRUE(Reasons().empty());
  EXPECT_GT(Record("2"), first);
}

TEST_F(AuditLogTest, EventsSurviveRestart) {
  Open();
  RecordMany(1, 5);
  Open();
  EXPECT_TRUE(damage_.empty());
  EXPECT_EQ(Reasons(), Descending(5, 1));
  RecordMany(6, 7);
  EXPECT_EQ(Reasons(), Descending(7, 1));
}

TEST_F(AuditLogTest, PagesHoldEveryEventOnce) {
  Open();
  RecordMany(1, 10);
  for (const size_t page_size : {1, 3, 5, 9, 10, 11}) {
    EXPECT_EQ(Reasons(page_size), Descending(10, 1)) << page_size;
  }
}

TEST_F(AuditLogTest, FullLastPageHasNoToken) {
  Open();
  RecordMany(1, 4);
  const auto everything = [](const AuditEvent&) { return true; };
  EXPECT_EQ(log_->List(4, "", everything)->next_before_id, "");
  EXPECT_NE(log_->List(3, "", everything)->next_before_id, "");
}

TEST_F(AuditLogTest, PagesStayPutWhileEventsAreAdded) {
  Open();
  RecordMany(1, 4);
  const auto everything = [](const AuditEvent&) { return true; };
  const absl::StatusOr<AuditPage> first = log_->List(2, "", everything);
  RecordMany(5, 6);
  const absl::StatusOr<AuditPage> second = log_->List(2, first->next_before_id, everything);
  ASSERT_EQ(second->events.size(), 2u);
  EXPECT_EQ(second->events[0].reason, "2");
  EXPECT_EQ(second->events[1].reason, "1");
}

TEST_F(AuditLogTest, PredicateSelects) {
  Open();
  RecordMany(1, 30);
  const std::vector<std::string> expected = {"30", "23", "13", "3"};
  EXPECT_EQ(Reasons(2, "3"), expected);
  EXPECT_TRUE(Reasons(2, "none").empty());
}

TEST_F(AuditLogTest, OlderEventsAreReadFromTheFile) {
  options_.memory_events_max = 4;
  Open();
  RecordMany(1, 20);
  EXPECT_EQ(Reasons(3), Descending(20, 1));
  EXPECT_EQ(Reasons(100), Descending(20, 1));
  EXPECT_EQ(Reasons(1, "1").back(), "1");
  Open();
  EXPECT_EQ(Reasons(3), Descending(20, 1));
  RecordMany(21, 22);
  EXPECT_EQ(Reasons(3), Descending(22, 1));
}

TEST_F(AuditLogTest, OnlyTheNewestEventsAreInMemory) {
  options_.memory_events_max = 4;
  Open();
  RecordMany(1, 20);
  std::filesystem::remove(folder_.File("state/audit.log"));
  EXPECT_EQ(Reasons(), Descending(20, 17)) << "what is left when the file is gone";
}

TEST_F(AuditLogTest, MemoryIsBoundedByBytesToo) {
  options_.memory_bytes_max = 1;
  Open();
  RecordMany(1, 5);
  EXPECT_EQ(Reasons(2), Descending(5, 1));
  Open();
  EXPECT_EQ(Reasons(2), Descending(5, 1)) << "nothing at all in memory";
  RecordMany(6, 6);
  EXPECT_EQ(Reasons(2), Descending(6, 1));
}

TEST_F(AuditLogTest, FullFileIsRotatedAndStillListed) {
  options_.file_bytes_max = 2000;
  options_.memory_events_max = 2;
  Open();
  int last = 0;
  while (!folder_.Has("state/audit.log.1")) Record(absl::StrCat(++last));
  ASSERT_GT(last, 3);
  EXPECT_LE(folder_.Read("state/audit.log.1").size(), 2000u);
  EXPECT_EQ(Reasons(3), Descending(last, 1));
  Open();
  EXPECT_EQ(Reasons(3), Descending(last, 1));
}

TEST_F(AuditLogTest, DiskUseIsBounded) {
  options_.file_bytes_max = 2000;
  options_.memory_events_max = 2;
  Open();
  RecordMany(1, 100);
  EXPECT_LE(LogContent().size() + folder_.Read("state/audit.log.1").size(), 4000u);
  const std::vector<std::string> reasons = Reasons(7);
  ASSERT_GT(reasons.size(), 10u);
  EXPECT_EQ(reasons, Descending(100, 101 - static_cast<int>(reasons.size())));
}

TEST_F(AuditLogTest, TornLastLineIsIgnoredClosedOffAndReported) {
  Open();
  RecordMany(1, 3);
  log_ = nullptr;
  const std::string content = LogContent();
  folder_.Write("state/audit.log", content.substr(0, content.size() - 10));
  Open();
  ASSERT_EQ(damage_.size(), 1u);
  EXPECT_TRUE(absl::StrContains(damage_[0], "in the middle of a line")) << damage_[0];
  EXPECT_EQ(Reasons(), Descending(2, 1));
  RecordMany(4, 4);
  EXPECT_EQ(Reasons(), std::vector<std::string>({"4", "2", "1"}));
  Open();
  EXPECT_EQ(Reasons(), std::vector<std::string>({"4", "2", "1"})) << "nothing was glued together";
}

TEST_F(AuditLogTest, LinesThatAreNoEventsArePassedOverAndReported) {
  Open();
  RecordMany(1, 2);
  folder_.Write("state/audit.log", LogContent() + "garbage\n{\"id\":\"x\"}\n\n");
  Open();
  ASSERT_EQ(damage_.size(), 1u);
  EXPECT_TRUE(absl::StrContains(damage_[0], "has 2 lines that are no events")) << damage_[0];
  EXPECT_EQ(Reasons(), Descending(2, 1));
}

TEST_F(AuditLogTest, EventThatCouldNotBeWrittenIsAnErrorAndNotListed) {
  Open();
  RecordMany(1, 2);
  signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit limit = before;
  limit.rlim_cur = LogContent().size() + 5;
  setrlimit(RLIMIT_FSIZE, &limit);
  const absl::StatusOr<std::string> id = log_->Record(AuditEvent());
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(error::ReasonOf(id.status()), "STATE_IO_ERROR") << id.status();
  EXPECT_EQ(Reasons(), Descending(2, 1));
  RecordMany(3, 3);
  Open();
  EXPECT_TRUE(damage_.empty());
  EXPECT_EQ(Reasons(), Descending(3, 1));
}

TEST_F(AuditLogTest, FolderThatCannotBeMadeIsAnError) {
  folder_.Write("state", "a file where the folder should be");
  const absl::StatusOr<std::unique_ptr<AuditLog>> log =
      AuditLog::Open(options_, &clock_, [](absl::string_view) {});
  EXPECT_EQ(error::ReasonOf(log.status()), "STATE_IO_ERROR") << log.status();
}

TEST_F(AuditLogTest, TwoLogsAreListedAsOneByTime) {
  Open();
  AuditLogOptions others = options_;
  others.file_name = "others.log";
  others.has_odd_ids = true;
  const auto other = *AuditLog::Open(others, &clock_, [](absl::string_view) {});
  for (int i = 1; i <= 20; ++i) {
    // Where the clock stands, and where it does not.
    if (i > 10) clock_.Advance(absl::Milliseconds(1));
    if (i % 3 != 0) {
      Record(absl::StrCat(i));
      continue;
    }
    AuditEvent event;
    event.reason = absl::StrCat(i);
    ASSERT_TRUE(other->Record(std::move(event)).ok());
  }
  for (const size_t page_size : {1, 2, 3, 7, 19, 20, 21}) {
    std::vector<AuditEvent> events;
    std::string before_id;
    do {
      const auto page = ListBoth(*log_, *other, page_size, before_id,
                                 [](const AuditEvent& event) { return event.reason != "7"; });
      ASSERT_TRUE(page.ok()) << page.status();
      EXPECT_LE(page->events.size(), page_size);
      events.insert(events.end(), page->events.begin(), page->events.end());
      before_id = page->next_before_id;
    } while (!before_id.empty());
    ASSERT_EQ(events.size(), 19u) << page_size;
    for (size_t i = 1; i < events.size(); ++i) {
      EXPECT_LT(events[i].id, events[i - 1].id);
      EXPECT_LE(events[i].time, events[i - 1].time);
    }
  }
}

TEST_F(AuditLogTest, FloodOfOneLogLeavesTheOtherAlone) {
  options_.file_bytes_max = 2000;
  Open();
  Record("a change");
  AuditLogOptions others = options_;
  others.file_name = "others.log";
  others.has_odd_ids = true;
  const auto other = *AuditLog::Open(others, &clock_, [](absl::string_view) {});
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(other->Record(AuditEvent()).ok());
  const auto page = ListBoth(*log_, *other, 10, "",
                             [](const AuditEvent& event) { return !event.reason.empty(); });
  ASSERT_EQ(page->events.size(), 1u);
  EXPECT_EQ(page->events[0].reason, "a change");
}

TEST_F(AuditLogTest, TextsAreCutAndMadeUtf8) {
  Open();
  Record(std::string(100000, 'x'));
  Record(std::string(100000, '\xFF'));
  Record("caf\xC3\xA9");
  const std::vector<std::string> reasons = Reasons();
  Open();
  EXPECT_EQ(Reasons(), reasons) << "memory and file say the same";
  EXPECT_EQ(reasons[0], "caf\xC3\xA9");
  EXPECT_LE(reasons[1].size(), kAuditTextBytesMax + 3);
  EXPECT_TRUE(absl::StartsWith(reasons[1], "\\xff\\xff"));
  EXPECT_EQ(reasons[2], std::string(kAuditTextBytesMax, 'x'));
}

TEST_F(AuditLogTest, ManyThreadsRecordAndList) {
  options_.file_bytes_max = 20000;
  options_.memory_events_max = 10;
  Open();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 20; ++i) Record(absl::StrCat(t, "-", i));
    });
  }
  threads.emplace_back([this] {
    for (int i = 0; i < 20; ++i) {
      std::string last = "~";
      const auto page = log_->List(1000, "", [](const AuditEvent&) { return true; });
      ASSERT_TRUE(page.ok()) << page.status();
      for (const AuditEvent& event : page->events) {
        EXPECT_LT(event.id, last);
        last = event.id;
      }
    }
  });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Reasons().size(), 80u);
}

}  // namespace
}  // namespace router
