#include "server/services/call_queue.h"

#include <memory>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace router {
namespace {

class CallQueueTest : public ::testing::Test {
 protected:
  CallQueueTest() {
    grpc::ServerBuilder builder;
    queue_ = std::make_unique<CallQueue>(builder.AddCompletionQueue());
    server_ = builder.BuildAndStart();
    queue_->Start();
  }
  ~CallQueueTest() override {
    server_->Shutdown();
    queue_->Shutdown();
  }

  std::unique_ptr<CallQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
};

// Notes the thread that completes it.
class NotingTag final : public CompletionTag {
 public:
  explicit NotingTag(CallQueue* queue) : queue_(queue) {}
  void Complete(bool ok) override {
    ok_ = ok;
    on_queue_thread_ = queue_->IsThisThread();
    done_.Notify();
  }
  void Wait() { done_.WaitForNotification(); }

  bool ok_ = false;
  bool on_queue_thread_ = false;

 private:
  CallQueue* const queue_;
  absl::Notification done_;
};

TEST_F(CallQueueTest, RunsWhatIsPostedOnItsThread) {
  NotingTag tag(queue_.get());
  EXPECT_FALSE(queue_->IsThisThread());
  queue_->Post(&tag);
  tag.Wait();
  EXPECT_TRUE(tag.ok_);
  EXPECT_TRUE(tag.on_queue_thread_);
}

class CountingTag final : public CompletionTag {
 public:
  explicit CountingTag(absl::BlockingCounter* left) : left_(left) {}
  void Complete(bool) override { left_->DecrementCount(); }

 private:
  absl::BlockingCounter* const left_;
};

TEST_F(CallQueueTest, NothingThatManyThreadsPostIsLost) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 5000;
  absl::BlockingCounter left(kThreads * kPosts);
  CountingTag tag(&left);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < kPosts; ++k) queue_->Post(&tag);
    });
  }
  for (std::thread& thread : threads) thread.join();
  left.Wait();
}

// Asks, on the queue's thread, for another tag at the end of the round.
class AskingTag final : public CompletionTag {
 public:
  AskingTag(CallQueue* queue, CompletionTag* other) : queue_(queue), other_(other) {}
  void Complete(bool) override { queue_->AtEndOfRound(other_); }

 private:
  CallQueue* const queue_;
  CompletionTag* const other_;
};

TEST_F(CallQueueTest, TheEndOfARoundComesWithoutAnotherEvent) {
  NotingTag end(queue_.get());
  AskingTag asking(queue_.get(), &end);
  queue_->Post(&asking);
  end.Wait();
  EXPECT_TRUE(end.on_queue_thread_);
}

TEST_F(CallQueueTest, ShutdownWaitsForHandlers) {
  queue_->AddHandler();
  absl::Notification removed;
  std::thread handler([&] {
    queue_->RemoveHandler();
    removed.Notify();
  });
  server_->Shutdown();
  queue_->Shutdown();
  EXPECT_TRUE(removed.WaitForNotificationWithTimeout(absl::Seconds(20)));
  handler.join();
  // For the destructor.
  grpc::ServerBuilder builder;
  queue_ = std::make_unique<CallQueue>(builder.AddCompletionQueue());
  server_ = builder.BuildAndStart();
  queue_->Start();
}

}  // namespace
}  // namespace router
