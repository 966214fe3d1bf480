#include "server/failpoints/failpoint_queue.h"

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/base/fake_clock.h"
#include "tests/server/pending/pending_testing.h"

namespace router {
namespace {

using ::testing::ElementsAre;

class FailpointQueueTest : public ::testing::Test {
 protected:
  FailpointQueueTest() {
    // A child that is killed must not have half of the threads of this process.
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  }

  // Opens a queue with these failpoints; the one before is closed.
  void Open(absl::string_view rules) {
    queue_.reset();
    failpoints_ = std::make_unique<Failpoints>(ParseFailpoints(rules).value());
    SqlitePendingQueue::Options options;
    options.directory = folder_.path() + "/queue";
    options.min_free_disk_bytes = 0;
    options.clock = &clock_;
    queue_ = std::make_unique<FailpointQueue>(options, failpoints_.get());
    const absl::Status opened = queue_->Open(&observer_).status();
    ASSERT_TRUE(opened.ok()) << opened;
  }

  std::vector<std::string> Payloads() {
    return PayloadsOf(queue_->Scan(0, 100, /*with_payload=*/true).value());
  }

  TemporaryFolder folder_;
  FakeClock clock_;
  OperationPool pool_;
  RecordingObserver observer_;
  std::unique_ptr<Failpoints> failpoints_;
  std::unique_ptr<FailpointQueue> queue_;
};

TEST_F(FailpointQueueTest, IsAQueueWhereNothingStrikes) {
  Open("publish=swap");
  AppendAll(queue_.get(), &observer_, pool_.MakeMany(3));
  EXPECT_THAT(Payloads(), ElementsAre("0", "1", "2"));
  queue_->Claim(0, 2, 1 << 20).value();
  queue_->Remove({1, 2});
  EXPECT_TRUE(Eventually([&] { return queue_->GetStats().count == 1; }));
}

TEST_F(FailpointQueueTest, SaysThatItHasWrittenWhatItForgot) {
  Open("append=forget#1");
  AppendAll(queue_.get(), &observer_, pool_.MakeMany(3));
  EXPECT_EQ(observer_.answers().size(), 3);
  EXPECT_THAT(Payloads(), ElementsAre("0", "1"));
}

TEST_F(FailpointQueueTest, DeletesWhatIsStillToBeDelivered) {
  Open("redeliver=delete_first#2");
  AppendAll(queue_.get(), &observer_, pool_.MakeMany(3));
  EXPECT_THAT(PayloadsOf(queue_->Claim(0, 3, 1 << 20).value()), ElementsAre("0", "1", "2"));
  EXPECT_TRUE(Eventually([&] { return queue_->GetStats().count == 2; }));
  EXPECT_THAT(Payloads(), ElementsAre("0", "2"));
}

class FailpointQueueDeathTest : public FailpointQueueTest {
 protected:
  // In a child process: appends one message, and removes it again.
  void AppendAndRemove(absl::string_view rules) {
    Open(rules);
    AppendAll(queue_.get(), &observer_, pool_.MakeMany(1));
    queue_->Claim(0, 1, 1 << 20).value();
    queue_->Remove({1});
    queue_->Close();
  }
};

TEST_F(FailpointQueueDeathTest, KillsBeforeTheCommit) {
  EXPECT_EXIT(AppendAndRemove("before_fsync=kill"), ::testing::KilledBySignal(SIGKILL), "");
}

TEST_F(FailpointQueueDeathTest, KillsAfterTheCommit) {
  EXPECT_EXIT(AppendAndRemove("after_fsync=kill"), ::testing::KilledBySignal(SIGKILL), "");
}

TEST_F(FailpointQueueDeathTest, KillsBeforeARowIsDeleted) {
  EXPECT_EXIT(AppendAndRemove("before_delete=kill"), ::testing::KilledBySignal(SIGKILL), "");
}

}  // namespace
}  // namespace router
