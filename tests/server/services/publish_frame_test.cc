#include "server/services/publish_frame.h"

#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace router {
namespace {

class NoOwner final : public PublishFrameOwner {
  void OnFrameDone(PublishFrame*) override {}
  void OnFrameTurn() override {}
};

// As a caller sends them.
grpc::ByteBuffer BytesOf(int messages, size_t payload_bytes) {
  v1::PublishStreamRequest request;
  for (int i = 0; i < messages; ++i) {
    v1::Message* const message = request.add_messages();
    message->set_subject("subject");
    message->set_payload(std::string(payload_bytes, 'x'));
  }
  const grpc::Slice slice(request.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

void Use(PublishFrame* frame, int messages, size_t payload_bytes) {
  static NoOwner owner;
  grpc::ByteBuffer bytes = BytesOf(messages, payload_bytes);
  frame->Begin(&owner, static_cast<int64_t>(bytes.Length()));
  ASSERT_TRUE(frame->Parse(&bytes).ok());
}

std::unique_ptr<PublishFrame> FrameOf(int messages, size_t payload_bytes) {
  auto frame = std::make_unique<PublishFrame>();
  Use(frame.get(), messages, payload_bytes);
  return frame;
}

TEST(PublishFramePoolTest, GivesBackTheFrameThatItWasGiven) {
  PublishFramePool pool;
  std::unique_ptr<PublishFrame> frame = FrameOf(10, 100);
  PublishFrame* const given = frame.get();
  pool.Give(std::move(frame));
  const std::unique_ptr<PublishFrame> taken = pool.Take();
  EXPECT_EQ(taken.get(), given);
  EXPECT_NE(pool.Take().get(), given);
}

TEST(PublishFramePoolTest, KeepsNoLargeFrame) {
  PublishFramePool pool;
  pool.Give(FrameOf(1, PublishFramePool::kFrameBytesMax));
  EXPECT_EQ(pool.size(), 0u);
  // Small on the wire, and large in memory.
  pool.Give(FrameOf(5000, 0));
  EXPECT_EQ(pool.size(), 0u);
}

TEST(PublishFramePoolTest, KeepsNoFrameThatWasLargeOnce) {
  PublishFramePool pool;
  std::unique_ptr<PublishFrame> frame = FrameOf(5000, 0);
  EXPECT_GT(frame->SpaceUsed(), PublishFramePool::kFrameBytesMax);
  Use(frame.get(), 1, 0);
  pool.Give(std::move(frame));
  EXPECT_EQ(pool.size(), 0u);
}

TEST(PublishFramePoolTest, KeepsNoMoreThanItsBound) {
  PublishFramePool pool;
  size_t bytes = 0;
  for (int i = 0; i < 1000; ++i) {
    std::unique_ptr<PublishFrame> frame = FrameOf(100, 100);
    bytes = frame->SpaceUsed();
    pool.Give(std::move(frame));
  }
  EXPECT_GT(pool.size(), 1u);
  EXPECT_LE(pool.size() * bytes, PublishFramePool::kBytesMax);
}

TEST(PublishFrameTest, NothingOfTheLastUseIsLeft) {
  std::unique_ptr<PublishFrame> frame = FrameOf(3, 10);
  frame->operations()[2].outcome = Outcome::kRejected;
  frame->storage.message_ids = "ids";
  Use(frame.get(), 1, 10);
  ASSERT_EQ(frame->operations().size(), 1u);
  EXPECT_EQ(frame->operations()[0].outcome, Outcome::kUnanswered);
  EXPECT_TRUE(frame->storage.message_ids.empty());
}

}  // namespace
}  // namespace router
