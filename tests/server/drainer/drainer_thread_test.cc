// The drainer on its own thread, with a queue and a broker that have theirs.
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "server/base/clock.h"
#include "server/drainer/drainer.h"
#include "tests/server/dispatcher/router_rig.h"

namespace router {
namespace {

constexpr int kMessageCount = 500;

class ThreadCall : public PublishBatch {
 public:
  explicit ThreadCall(int number) : PublishBatch(1), payload_(absl::StrCat(number)) {
    Operation& operation = operations().front();
    operation.message.subject = operation.ordering_key = "k";
    operation.message.payload = operation.message.message_id = payload_;
    operation.key_hash = HashOrderingKey("k");
    operation.size_bytes = OperationSize(operation.message, "k");
    start_time = SystemClock()->SteadyNow();
  }
  bool done() const { return done_.load(); }

 protected:
  void Done() override { done_.store(true); }

 private:
  const std::string payload_;
  std::atomic<bool> done_{false};
};

class NoObserver : public PublishObserver, public DrainObserver {
 public:
  void OnPublish(absl::Span<const Operation>) override {}
  void OnAnswered(absl::Span<Operation* const>) override {}
  void OnRedelivered(absl::Span<Operation* const>) override {}
  void OnRemoved(int64_t, RemovalCause) override {}
  void OnConnectionEvent(const ConnectionEvent&) override {}
  void OnDrainStarted(int64_t) override {}
  void OnDeadLetter(const DeadLetterVerdict&) override {}
  void OnDrainEnded(int64_t, int64_t, absl::Duration) override {}
};

TEST(DrainerThreadTest, KeepsTheOrderWhileTheConnectionFlaps) {
  TemporaryFolder folder;
  NoObserver observer;
  auto mode =
      ModeController::Open({folder.path(), false}, SystemClock(), [](const absl::Status&) {});
  ASSERT_TRUE(mode.ok()) << mode.status();
  FakeTransport transport;
  MemoryPendingQueue queue(MemoryPendingQueue::Mode::kAutomatic);
  Dispatcher dispatcher({}, SystemClock(), mode->get(), &transport, &queue, &observer);
  ASSERT_TRUE(dispatcher.OpenQueue().ok());
  Drainer drainer({}, SystemClock(), &dispatcher, &queue, &observer);
  ASSERT_TRUE(dispatcher.Start(&drainer).ok());
  drainer.Start();
  transport.SetAutoThread(true);

  std::vector<std::unique_ptr<ThreadCall>> calls;
  for (int i = 0; i < kMessageCount; ++i) {
    if (i % 50 == 20) transport.Disconnect();
    if (i % 50 == 40) transport.Connect();
    calls.push_back(std::make_unique<ThreadCall>(i));
    dispatcher.Publish(calls.back().get());
  }
  transport.Connect();
  EXPECT_TRUE(Eventually([&] {
    for (const auto& call : calls) {
      if (!call->done()) return false;
    }
    return dispatcher.GetLedger().queued_count == 0;
  }));
  EXPECT_EQ(dispatcher.GetLedger().Unaccounted(), 0);

  dispatcher.StopAccepting();
  drainer.Stop();
  transport.Stop(absl::Seconds(10));
  drainer.SettleRest();
  queue.Close();
  EXPECT_EQ(queue.GetStats().count, 0);
  const std::vector<InprocStoredMessage> stored = transport.Stored();
  ASSERT_EQ(stored.size(), static_cast<size_t>(kMessageCount));
  for (int i = 0; i < kMessageCount; ++i) EXPECT_EQ(stored[i].payload, absl::StrCat(i));
}

}  // namespace
}  // namespace router
