#include "server/pending/record_codec.h"

#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

RecordFields SomeFields() {
  RecordFields fields;
  fields.sequence = 7;
  fields.accepted_at_ms = 1767225600123;
  fields.expires_at_ms = 1767225700000;
  fields.key_hash = 42;
  fields.size_bytes = 100;
  fields.guarantee = 1;
  fields.caller_chose_id = 1;
  fields.message_id = "id";
  fields.subject = "subject";
  fields.ordering_key = "key";
  fields.headers = "";
  fields.payload = "payload";
  return fields;
}

// The checksum is stored on disk: this value may change only together with the format version.
TEST(RecordChecksumTest, IsTheSameInEveryVersion) {
  EXPECT_EQ(RecordChecksum(SomeFields()), 9272402776793222508u);
}

TEST(RecordChecksumTest, OfFormat2IsTheSameInEveryVersion) {
  RecordFields fields = SomeFields();
  fields.first_sent_at_ms = 1767225600124;
  fields.content_hash = 43;
  EXPECT_EQ(RecordChecksum(fields), 13699288502629213291u);
}

TEST(RecordChecksumTest, CoversEveryField) {
  const std::vector<std::function<void(RecordFields*)>> changes = {
      [](RecordFields* f) { ++f->sequence; },
      [](RecordFields* f) { ++f->accepted_at_ms; },
      [](RecordFields* f) { f->expires_at_ms.reset(); },
      [](RecordFields* f) { ++*f->expires_at_ms; },
      [](RecordFields* f) { ++f->key_hash; },
      [](RecordFields* f) { ++f->size_bytes; },
      [](RecordFields* f) { ++f->guarantee; },
      [](RecordFields* f) { ++f->caller_chose_id; },
      [](RecordFields* f) { f->message_id = "ie"; },
      [](RecordFields* f) { f->subject = "subjecu"; },
      [](RecordFields* f) { f->ordering_key = "kez"; },
      [](RecordFields* f) { f->headers = "x"; },
      [](RecordFields* f) { f->payload = "payloae"; },
      [](RecordFields* f) { f->payload = ""; },
      [](RecordFields* f) { f->first_sent_at_ms = 0; },
      [](RecordFields* f) { f->first_sent_at_ms = 1; },
      [](RecordFields* f) { f->content_hash = 0; },
      [](RecordFields* f) { f->content_hash = 1; },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    RecordFields fields = SomeFields();
    changes[i](&fields);
    EXPECT_NE(RecordChecksum(fields), RecordChecksum(SomeFields())) << i;
  }
}

TEST(RecordChecksumTest, KnowsWhereOneTextEndsAndTheNextBegins) {
  RecordFields fields = SomeFields();
  fields.message_id = "ids";
  fields.subject = "ubject";
  EXPECT_NE(RecordChecksum(fields), RecordChecksum(SomeFields()));
}

TEST(HeadersTest, SurviveEncoding) {
  const std::string binary("\0\xff\r\n", 4);
  const Header headers[] = {{"Key", binary}, {"Key", ""}, {"Other", "x"}};
  std::string encoded;
  EncodeHeaders(headers, &encoded);
  std::vector<std::pair<std::string, std::string>> decoded;
  ASSERT_TRUE(DecodeHeaders(encoded, &decoded));
  EXPECT_THAT(decoded, ElementsAre(Pair("Key", binary), Pair("Key", ""), Pair("Other", "x")));
}

TEST(HeadersTest, AreOneByteLayoutOnEveryMachine) {
  const Header headers[] = {{"a", "bc"}};
  std::string encoded;
  EncodeHeaders(headers, &encoded);
  EXPECT_EQ(encoded, std::string("\1\0\0\0a\2\0\0\0bc", 11));
}

TEST(HeadersTest, CutShortAreRefused) {
  const Header headers[] = {{"Key", "value"}, {"Other", "x"}};
  std::string encoded;
  EncodeHeaders(headers, &encoded);
  const size_t first_ends = 4 + 3 + 4 + 5;
  for (size_t size = 0; size < encoded.size(); ++size) {
    std::vector<std::pair<std::string, std::string>> decoded;
    EXPECT_EQ(DecodeHeaders(absl::string_view(encoded).substr(0, size), &decoded),
              size == 0 || size == first_ends)
        << size;
  }
}

TEST(ContentHashOfTest, MakesTheHashOfARowOfFormat1) {
  const Header headers[] = {{"a", "1"}, {"b", "2"}};
  std::string encoded;
  EncodeHeaders(headers, &encoded);
  RecordFields fields = SomeFields();
  fields.headers = encoded;
  fields.guarantee = 2;
  Message message;
  message.subject = fields.subject;
  message.payload = fields.payload;
  message.headers = headers;
  message.guarantee = Guarantee::kReceived;
  EXPECT_EQ(ContentHashOf(fields), HashContent(message, fields.ordering_key));
  fields.content_hash = 7;
  EXPECT_EQ(ContentHashOf(fields), 7u);
}

TEST(ToPendingRecordTest, RefusesWhatIsNeverWritten) {
  RecordFields fields = SomeFields();
  EXPECT_TRUE(ToPendingRecord(fields, true).ok());
  fields.guarantee = 3;
  EXPECT_EQ(ToPendingRecord(fields, true).status().code(), absl::StatusCode::kDataLoss);
  fields = SomeFields();
  fields.headers = "\xff\xff\xff\xff";
  EXPECT_EQ(ToPendingRecord(fields, true).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace router
