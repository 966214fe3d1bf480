#include "server/services/publish_request.h"

#include <string>
#include <vector>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/unknown_field_set.h>
#include <grpcpp/support/slice.h>

#include "gtest/gtest.h"

namespace router {
namespace {

constexpr int64_t kMany = 1 << 20;

// In slices of so many bytes, so that what is read goes across them.
grpc::ByteBuffer BufferOf(const std::string& bytes, size_t slice_bytes = 3) {
  std::vector<grpc::Slice> slices;
  for (size_t at = 0; at < bytes.size(); at += slice_bytes) {
    slices.emplace_back(bytes.substr(at, slice_bytes));
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

v1::PublishBatchRequest Example() {
  v1::PublishBatchRequest request;
  v1::Message* const message = request.add_messages();
  message->set_subject("test.a");
  message->set_payload(std::string(300, 'x'));
  (*message->mutable_headers())["a"] = "1";
  (*message->mutable_headers())["b"] = "2";
  message->set_guarantee(v1::GUARANTEE_RECEIVED);
  message->mutable_ttl()->set_seconds(5);
  message->mutable_ttl()->set_nanos(7);
  request.add_messages()->set_subject("test.b");
  request.add_messages();
  return request;
}

// -1, where the bytes are found to be no request.
int64_t MessagesIn(const std::string& bytes) {
  grpc::ByteBuffer buffer = BufferOf(bytes);
  const absl::optional<PublishRequestShape> shape = ShapeOf(&buffer, kMany, kMany);
  return shape.has_value() ? shape->messages : -1;
}

TEST(PublishRequestTest, CountsMessagesAndTheirFields) {
  grpc::ByteBuffer buffer = BufferOf(Example().SerializeAsString());
  const absl::optional<PublishRequestShape> shape = ShapeOf(&buffer, kMany, kMany);
  ASSERT_TRUE(shape.has_value());
  EXPECT_EQ(shape->messages, 3);
  EXPECT_EQ(shape->fields, 9);  // Eight, two of them of the ttl, and one.
  v1::PublishBatchRequest parsed;
  ASSERT_TRUE(Parse(&buffer, &parsed)) << "looking changes nothing";
  EXPECT_EQ(parsed.DebugString(), Example().DebugString());  // Headers in their order.
  EXPECT_EQ(buffer.Length(), 0u);
}

TEST(PublishRequestTest, StopsBeyondWhatThereMayBe) {
  std::string bytes;
  for (int i = 0; i < 100000; ++i) bytes += std::string("\x0a\x00", 2);
  grpc::ByteBuffer messages = BufferOf(bytes, 4096);
  EXPECT_EQ(ShapeOf(&messages, 10, 10)->messages, 11);
  // One message of as many empty fields, and one of a ttl that has them.
  for (const std::string& fields : {bytes, "\x3a\xc0\x9a\x0c" + bytes}) {
    std::string whole;
    {
      google::protobuf::io::StringOutputStream stream(&whole);
      google::protobuf::io::CodedOutputStream output(&stream);
      output.WriteTag(10);
      output.WriteVarint32(static_cast<uint32_t>(fields.size()));
      output.WriteString(fields);
    }
    grpc::ByteBuffer buffer = BufferOf(whole, 4096);
    EXPECT_EQ(ShapeOf(&buffer, 10, 10)->fields, 11);
  }
}

TEST(PublishRequestTest, TellsWhatIsNoRequest) {
  const std::string good = Example().SerializeAsString();
  EXPECT_EQ(MessagesIn(good), 3);
  EXPECT_EQ(MessagesIn(""), 0);
  EXPECT_EQ(MessagesIn("\xff\xff"), -1);
  EXPECT_EQ(MessagesIn(std::string("\0", 1)), -1);
  EXPECT_EQ(MessagesIn("\x0a\x05\x0a\x01x"), -1) << "there is less than it says";
  EXPECT_EQ(MessagesIn("\x0a\x02\x0a\x01x"), -1) << "a field that is longer than its message";
  EXPECT_EQ(MessagesIn("\x0a\xff\xff\xff\xff\x0f"), -1) << "of 4 GiB";
  EXPECT_EQ(MessagesIn("\x0a\x02\x0b\x0c"), -1) << "a group";
  EXPECT_EQ(MessagesIn("\x0b\x0c"), -1) << "a group";
}

// In both, what it takes for wrong cannot be parsed; of what can be, the messages are counted.
TEST(PublishRequestTest, EndsNowhereElseThanTheParser) {
  const std::string good = Example().SerializeAsString();
  for (size_t size = 0; size <= good.size(); ++size) {
    const std::string bytes = good.substr(0, size);
    grpc::ByteBuffer buffer = BufferOf(bytes);
    v1::PublishBatchRequest parsed;
    const bool is_request = Parse(&buffer, &parsed);
    EXPECT_EQ(MessagesIn(bytes), is_request ? parsed.messages_size() : -1) << size;
  }
}

TEST(PublishRequestTest, DropsWhatItDoesNotKnow) {
  v1::PublishStreamRequest request;
  v1::Message* const message = request.add_messages();
  message->set_subject("test.a");
  message->mutable_ttl()->set_seconds(5);
  const std::string known = request.SerializeAsString();
  for (google::protobuf::Message* part :
       std::vector<google::protobuf::Message*>{&request, message, message->mutable_ttl()}) {
    part->GetReflection()->MutableUnknownFields(part)->AddVarint(100, 1);
    part->GetReflection()->MutableUnknownFields(part)->AddLengthDelimited(101, "x");
  }
  grpc::ByteBuffer buffer = BufferOf(request.SerializeAsString());
  v1::PublishStreamRequest parsed;
  ASSERT_TRUE(Parse(&buffer, &parsed));
  EXPECT_EQ(parsed.SerializeAsString(), known);
}

TEST(PublishRequestTest, TextThatIsNotUtf8IsFoundByTheParser) {
  grpc::ByteBuffer buffer = BufferOf("\x0a\x05\x0a\x03\xff\xfe\xfd");
  v1::PublishRequest request;
  EXPECT_FALSE(Parse(&buffer, &request));
}

}  // namespace
}  // namespace router
