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

// Stored on disk too.
TEST(HashContentTest, IsTheSameInEveryVersion) {
  const Header headers[] = {{"a", "b"}, {"c", "d"}};
  Message message;
  message.subject = "orders.eu";
  message.payload = "payload";
  message.headers = headers;
  EXPECT_EQ(HashContent(message, "key"), 5653932253653101573u);
}

TEST(HashContentTest, TakesHeadersInAnyOrder) {
  const Header headers[] = {{"a", "b"}, {"c", "d"}};
  const Header turned[] = {{"c", "d"}, {"a", "b"}};
  const Header crossed[] = {{"a", "d"}, {"c", "b"}};
  Message message;
  message.headers = headers;
  const uint64_t hash = HashContent(message, "");
  message.headers = turned;
  EXPECT_EQ(HashContent(message, ""), hash);
  message.headers = crossed;
  EXPECT_NE(HashContent(message, ""), hash);
}

TEST(HashContentTest, IsTheSameForAnotherSpanOfATrace) {
  const Header first[] = {{"a", "b"}, {"traceparent", "1"}, {"tracestate", "x=1"}};
  const Header second[] = {{"Traceparent", "2"}, {"a", "b"}};
  const Header other[] = {{"a", "b"}, {"traceparent2", "1"}};
  Message message;
  message.headers = first;
  const uint64_t hash = HashContent(message, "");
  message.headers = second;
  EXPECT_EQ(HashContent(message, ""), hash);
  message.headers = other;
  EXPECT_NE(HashContent(message, ""), hash);
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
