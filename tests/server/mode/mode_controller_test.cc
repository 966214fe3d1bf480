#include "server/mode/mode_controller.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "server/errors/errors.h"
#include "tests/server/base/fake_clock.h"
#include "tests/server/base/temp_folder.h"

namespace router {
namespace {

ModeChange TurnOn() {
  ModeChange change;
  change.enabled = true;
  change.actor = "operator";
  change.reason = "broker moves";
  return change;
}

ModeChange TurnOnFor(absl::Duration ttl) {
  ModeChange change = TurnOn();
  change.ttl = ttl;
  return change;
}

ModeChange TurnOff() {
  ModeChange change = TurnOn();
  change.enabled = false;
  return change;
}

class ModeControllerTest : public ::testing::Test {
 protected:
  ModeControllerTest() { options_.dir = folder_.File("state"); }

  absl::Status TryOpen() {
    mode_ = nullptr;
    problems_.clear();
    absl::StatusOr<std::unique_ptr<ModeController>> mode = ModeController::Open(
        options_, &clock_, [this](const absl::Status& problem) { problems_.push_back(problem); });
    if (mode.ok()) mode_ = *std::move(mode);
    return mode.status();
  }

  void Open() {
    const absl::Status status = TryOpen();
    ASSERT_TRUE(status.ok()) << status;
  }

  // The disk takes nothing more, until the folder is back.
  void TakeFolderAway() { std::filesystem::rename(folder_.File("state"), folder_.File("gone")); }
  void BringFolderBack() { std::filesystem::rename(folder_.File("gone"), folder_.File("state")); }

  TempFolder folder_;
  FakeClock clock_;
  ModeController::Options options_;
  std::vector<absl::Status> problems_;
  std::unique_ptr<ModeController> mode_;
};

TEST_F(ModeControllerTest, FreshRouterStartsAsConfigured) {
  Open();
  EXPECT_FALSE(mode_->enabled());
  EXPECT_EQ(mode_->state().actor, "config");
  EXPECT_EQ(mode_->state().since, clock_.WallNow());
}

TEST_F(ModeControllerTest, FreshRouterMayStartInFailOpenMode) {
  options_.enabled_by_config = true;
  Open();
  EXPECT_TRUE(mode_->enabled());
  EXPECT_TRUE(mode_->state().enabled);
  EXPECT_EQ(mode_->state().expire_time, absl::InfiniteFuture());
}

TEST_F(ModeControllerTest, FollowsTheConfigurationUntilSomebodyChangesTheMode) {
  Open();
  EXPECT_FALSE(mode_->enabled());
  options_.enabled_by_config = true;
  Open();
  EXPECT_TRUE(mode_->enabled());
}

TEST_F(ModeControllerTest, ConfigurationCountsOnlyWhereThereIsNoFile) {
  Open();
  ASSERT_TRUE(mode_->Set(TurnOn()).ok());
  Open();
  EXPECT_TRUE(mode_->enabled());
  options_.enabled_by_config = true;
  ASSERT_TRUE(mode_->Set(TurnOff()).ok());
  Open();
  EXPECT_FALSE(mode_->enabled()) << "what was toggled at run time survives";
}

TEST_F(ModeControllerTest, WholeStateSurvivesRestart) {
  Open();
  const absl::StatusOr<FailOpenState> set = mode_->Set(TurnOnFor(absl::Minutes(15)));
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(mode_->state(), *set);
  clock_.Advance(absl::Minutes(5));
  Open();
  EXPECT_TRUE(problems_.empty());
  EXPECT_EQ(mode_->state(), *set);
  EXPECT_TRUE(mode_->enabled());
}

TEST_F(ModeControllerTest, EndsByItselfAndSaysSoOnce) {
  Open();
  ASSERT_TRUE(mode_->Set(TurnOnFor(absl::Seconds(5))).ok());
  clock_.Advance(absl::Seconds(5) - absl::Nanoseconds(1));
  EXPECT_FALSE(mode_->Tick().has_value());
  EXPECT_TRUE(mode_->enabled());
  clock_.Advance(absl::Nanoseconds(1));
  const absl::optional<FailOpenState> ended = mode_->Tick();
  ASSERT_TRUE(ended.has_value());
  EXPECT_FALSE(ended->enabled);
  EXPECT_EQ(ended->actor, "expiry");
  EXPECT_FALSE(mode_->enabled());
  EXPECT_EQ(mode_->state(), *ended);
  EXPECT_FALSE(mode_->Tick().has_value());
  Open();
  EXPECT_EQ(mode_->state(), *ended);
}

TEST_F(ModeControllerTest, WhatRanOutWhileTheRouterWasDownIsOffFromTheStart) {
  Open();
  ASSERT_TRUE(mode_->Set(TurnOnFor(absl::Seconds(5))).ok());
  clock_.Advance(absl::Seconds(6));
  Open();
  EXPECT_FALSE(mode_->enabled()) << "also before the first Tick";
  const absl::optional<FailOpenState> ended = mode_->Tick();
  ASSERT_TRUE(ended.has_value()) << "it still has to be logged and audited";
  EXPECT_FALSE(mode_->state().enabled);
}

TEST_F(ModeControllerTest, ExpiryGoesByTheWallClock) {
  Open();
  ASSERT_TRUE(mode_->Set(TurnOnFor(absl::Hours(1))).ok());
  clock_.SetWall(clock_.WallNow() + absl::Hours(2));
  EXPECT_TRUE(mode_->Tick().has_value());
}

TEST_F(ModeControllerTest, EndsInTimeThoughTheWallClockIsSetBack) {
  Open();
  ASSERT_TRUE(mode_->Set(TurnOnFor(absl::Minutes(15))).ok());
  clock_.SetWall(clock_.WallNow() - absl::Hours(3));
  clock_.Advance(absl::Minutes(14));
  EXPECT_FALSE(mode_->Tick().has_value());
  EXPECT_TRUE(mode_->enabled());
  clock_.Advance(absl::Minutes(1));
  ASSERT_TRUE(mode_->Tick().has_value());
  EXPECT_FALSE(mode_->enabled());
  EXPECT_FALSE(mode_->Tick().has_value());
}

TEST_F(ModeControllerTest, LastsForeverThoughTheWallClockIsSetBack) {
  Open();
  ASSERT_TRUE(mode_->Set(TurnOn()).ok());
  clock_.SetWall(clock_.WallNow() - absl::Hours(3));
  clock_.Advance(absl::Hours(30));
  EXPECT_FALSE(mode_->Tick().has_value());
  EXPECT_TRUE(mode_->enabled());
}

TEST_F(ModeControllerTest, CheckAnswersLikeSetAndChangesNothing) {
  Open();
  const FailOpenState before = mode_->state();
  const std::string file = folder_.Read("state/fail_open.json");
  const absl::StatusOr<FailOpenState> checked = mode_->Check(TurnOn());
  ASSERT_TRUE(checked.ok());
  EXPECT_TRUE(checked->enabled);
  EXPECT_EQ(mode_->state(), before);
  EXPECT_FALSE(mode_->enabled());
  EXPECT_EQ(folder_.Read("state/fail_open.json"), file);
  EXPECT_EQ(*mode_->Set(TurnOn()), *checked);
  ModeChange wrong = TurnOn();
  wrong.reason = "";
  EXPECT_EQ(error::ReasonOf(mode_->Check(wrong).status()), "REASON_REQUIRED");
  EXPECT_EQ(error::ReasonOf(mode_->Set(wrong).status()), "REASON_REQUIRED");
}

TEST_F(ModeControllerTest, StaleEtagChangesNothing) {
  Open();
  ModeChange change = TurnOn();
  change.etag = mode_->state().etag();
  ASSERT_TRUE(mode_->Set(change).ok());
  const FailOpenState before = mode_->state();
  change.enabled = false;
  EXPECT_EQ(error::ReasonOf(mode_->Set(change).status()), "ETAG_MISMATCH");
  EXPECT_EQ(mode_->state(), before);
}

TEST_F(ModeControllerTest, ChangeThatTheDiskDoesNotTakeIsNotMade) {
  Open();
  const FailOpenState before = mode_->state();
  TakeFolderAway();
  const absl::StatusOr<FailOpenState> set = mode_->Set(TurnOn());
  EXPECT_EQ(error::ReasonOf(set.status()), "STATE_IO_ERROR") << set.status();
  EXPECT_FALSE(mode_->enabled());
  EXPECT_EQ(mode_->state(), before);
  BringFolderBack();
  EXPECT_TRUE(mode_->Set(TurnOn()).ok());
  EXPECT_TRUE(mode_->enabled());
}

TEST_F(ModeControllerTest, EndsAlsoWhereTheDiskDoesNotTakeIt) {
  Open();
  ASSERT_TRUE(mode_->Set(TurnOnFor(absl::Seconds(5))).ok());
  clock_.Advance(absl::Seconds(5));
  TakeFolderAway();
  EXPECT_TRUE(mode_->Tick().has_value());
  EXPECT_FALSE(mode_->enabled());
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_EQ(error::ReasonOf(problems_[0]), "STATE_IO_ERROR");
  BringFolderBack();
  Open();
  EXPECT_FALSE(mode_->enabled()) << "what is on disk has run out as well";
}

TEST_F(ModeControllerTest, DamagedFileMeansOffIsReportedAndKept) {
  options_.enabled_by_config = true;
  Open();
  ASSERT_TRUE(mode_->Set(TurnOnFor(absl::Hours(1))).ok());
  const std::string good = folder_.Read("state/fail_open.json");
  std::vector<std::string> damaged = {
      "", "garbage", "[]", "{}", std::string(100000, ' '), "{\"enabled\": \"yes\"}"};
  for (size_t size = 0; size + 2 < good.size(); size += 7) damaged.push_back(good.substr(0, size));
  for (const char* member : {"enabled", "actor", "reason", "since", "version", "expire_time"}) {
    std::string content = good;
    const size_t value = content.find(':', content.find(absl::StrCat("\"", member, "\""))) + 1;
    content.replace(value, content.find_first_of(",\n", value) - value, "{}");
    damaged.push_back(content);
  }
  for (const std::string& content : damaged) {
    folder_.Write("state/fail_open.json", content);
    Open();
    EXPECT_FALSE(mode_->enabled()) << content;
    EXPECT_EQ(mode_->state().actor, "router");
    ASSERT_EQ(problems_.size(), 1u) << content;
    EXPECT_EQ(problems_[0].code(), absl::StatusCode::kDataLoss);
    EXPECT_TRUE(absl::StrContains(problems_[0].message(), "fail_open.json.damaged"));
    EXPECT_EQ(folder_.Read("state/fail_open.json.damaged"), content);
    Open();
    EXPECT_FALSE(mode_->enabled());
    EXPECT_TRUE(problems_.empty()) << "said once";
  }
}

TEST_F(ModeControllerTest, EtagFromBeforeTheFileWasLostFitsNothing) {
  Open();
  ModeChange change = TurnOn();
  change.etag = mode_->state().etag();
  std::filesystem::remove(folder_.File("state/fail_open.json"));
  clock_.Advance(absl::Seconds(1));
  Open();
  EXPECT_EQ(error::ReasonOf(mode_->Set(change).status()), "ETAG_MISMATCH");
}

TEST_F(ModeControllerTest, RemainsOfAnUnfinishedWriteDoNoHarm) {
  Open();
  ASSERT_TRUE(mode_->Set(TurnOn()).ok());
  folder_.Write("state/fail_open.json.new", "{\"enab");
  Open();
  EXPECT_TRUE(mode_->enabled());
  EXPECT_TRUE(problems_.empty());
  ASSERT_TRUE(mode_->Set(TurnOff()).ok());
  EXPECT_FALSE(folder_.Has("state/fail_open.json.new"));
}

TEST_F(ModeControllerTest, FolderThatCannotBeMadeIsAnError) {
  folder_.Write("state", "a file where the folder should be");
  EXPECT_EQ(error::ReasonOf(TryOpen()), "STATE_IO_ERROR");
}

TEST_F(ModeControllerTest, FileThatCannotBeReadIsAnErrorAndStays) {
  std::filesystem::create_directories(folder_.File("state/fail_open.json"));
  EXPECT_EQ(error::ReasonOf(TryOpen()), "STATE_IO_ERROR");
  EXPECT_TRUE(folder_.Has("state/fail_open.json"));
}

TEST_F(ModeControllerTest, OneOfManyChangesWithTheSameEtagWins) {
  Open();
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop) {
      mode_->enabled();
      mode_->state();
      mode_->Tick();
    }
  });
  for (int round = 0; round < 20; ++round) {
    ModeChange change = TurnOnFor(absl::Hours(1));
    change.etag = mode_->state().etag();
    std::atomic<int> won{0};
    absl::Notification start;
    std::vector<std::thread> writers;
    for (int i = 0; i < 4; ++i) {
      writers.emplace_back([&] {
        start.WaitForNotification();
        if (mode_->Set(change).ok()) ++won;
      });
    }
    start.Notify();
    for (std::thread& writer : writers) writer.join();
    EXPECT_EQ(won, 1);
  }
  stop = true;
  reader.join();
  EXPECT_TRUE(mode_->enabled());
}

}  // namespace
}  // namespace router
