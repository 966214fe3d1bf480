#include "server/base/operation.h"

#include "gtest/gtest.h"

namespace router {
namespace {

// The hash is stored on disk: these values may never change.
TEST(HashOrderingKeyTest, IsTheSameInEveryVersion) {
  EXPECT_EQ(HashOrderingKey(""), 0x2d06800538d394c2u);
  EXPECT_EQ(HashOrderingKey("orders.eu"), HashOrderingKey(std::string("orders.eu")));
  EXPECT_NE(HashOrderingKey("orders.eu"), HashOrderingKey("orders.us"));
}

TEST(OperationSizeTest, CountsEveryByteAndAFixedShare) {
  const Header headers[] = {{"k", "vv"}, {"kk", ""}};
  Message message;
  EXPECT_EQ(OperationSize(message, ""), 64);
  message.subject = "abc";
  message.payload = "0123456789";
  message.message_id = "id";
  message.headers = headers;
  EXPECT_EQ(OperationSize(message, "key"), 64 + 3 + 10 + 2 + 5 + 3);
}

class CountingBatch : public PublishBatch {
 public:
  CountingBatch(size_t count, int* done) : PublishBatch(count), done_(done) {}

 protected:
  void Done() override { ++*done_; }

 private:
  int* const done_;
};

TEST(PublishBatchTest, IsDoneOnceWhenTheLastIsAnswered) {
  int done = 0;
  CountingBatch batch(3, &done);
  batch.CountAnswered(2);
  EXPECT_EQ(done, 0);
  batch.CountAnswered(1);
  EXPECT_EQ(done, 1);
}

}  // namespace
}  // namespace router
