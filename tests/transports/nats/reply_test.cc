#include "transports/nats/reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "transports/nats/reply_subject.h"

namespace router {
namespace {

using ::testing::HasSubstr;
using Kind = PublishReply::Kind;

PublishReply Error(int code, int number) {
  return ParsePublishReply(absl::StrCat(R"({"type":"io.nats","error":{"code":)", code,
                                        R"(,"err_code":)", number,
                                        R"(,"description":"why"},"stream":"S","seq":7})"));
}

TEST(StoredReplyTest, ReadsStreamAndSequence) {
  StoredReply reply;
  ASSERT_TRUE(ParseStoredReply(R"({"stream":"S", "seq":42})", &reply));
  EXPECT_EQ(reply.stream, "S");
  EXPECT_EQ(reply.sequence, 42);
  EXPECT_FALSE(reply.duplicate);
}

TEST(StoredReplyTest, ReadsDomainAndDuplicate) {
  StoredReply reply;
  ASSERT_TRUE(
      ParseStoredReply(R"({"stream":"S", "domain":"D", "seq":1,"duplicate": true})", &reply));
  EXPECT_TRUE(reply.duplicate);
}

TEST(StoredReplyTest, ReadsTheLargestSequence) {
  StoredReply reply;
  ASSERT_TRUE(ParseStoredReply(R"({"stream":"S","seq":18446744073709551615})", &reply));
  EXPECT_EQ(reply.sequence, std::numeric_limits<uint64_t>::max());
  EXPECT_FALSE(ParseStoredReply(R"({"stream":"S","seq":18446744073709551616})", &reply));
}

TEST(StoredReplyTest, AcceptsNothingThatIsNotAPlainConfirmation) {
  StoredReply reply;
  for (const char* data :
       {"", "{}", "+OK", "{\"stream\":\"S\"}", "{\"seq\":1}", "{\"stream\":\"S\",\"seq\":0}",
        "{\"stream\":\"\",\"seq\":1}", "{\"stream\":\"S\",\"seq\":-1}",
        "{\"stream\":\"S\",\"seq\":1", "{\"stream\":\"S\",\"seq\":1}x",
        "{\"error\":{\"code\":503},\"stream\":\"S\",\"seq\":1}",
        "{\"stream\":\"S\",\"seq\":1,\"error\":{}}", "{\"stream\":\"S\",\"seq\":1.5}",
        "{\"stream\":\"S\\\"\",\"seq\":1}", "{\"stream\":\"S\",\"seq\":\"1\"}"}) {
    EXPECT_FALSE(ParseStoredReply(data, &reply)) << data;
  }
}

TEST(PublishReplyTest, UnderstandsMembersItDoesNotKnow) {
  const PublishReply reply = ParsePublishReply(R"({"stream":"S","seq":3,"val":"x"})");
  EXPECT_EQ(reply.kind, Kind::kStored);
  EXPECT_EQ(reply.sequence, 3);
}

TEST(PublishReplyTest, ErrorCountsBeforeSequence) {
  EXPECT_EQ(Error(503, 10023).kind, Kind::kUnavailable);
  EXPECT_EQ(Error(503, 10023).error, "why (10023)");
}

TEST(PublishReplyTest, TellsPermanentErrorsFromPassingOnes) {
  EXPECT_EQ(Error(400, 10071).kind, Kind::kRefused);  // Wrong last sequence.
  EXPECT_EQ(Error(400, 10070).kind, Kind::kRefused);  // Wrong last message id.
  EXPECT_EQ(Error(400, 10060).kind, Kind::kRefused);  // Expected stream.
  EXPECT_EQ(Error(400, 10109).kind, Kind::kRefused);  // Sealed stream.
  EXPECT_EQ(Error(400, 10071).refusal, Refusal::kOther);
  EXPECT_EQ(Error(503, 10077).kind, Kind::kUnavailable);  // Store failed: full.
  EXPECT_EQ(Error(503, 10008).kind, Kind::kUnavailable);  // Temporarily unavailable.
  EXPECT_EQ(Error(500, 10047).kind, Kind::kUnavailable);  // No room on the disk.
  EXPECT_EQ(Error(400, 10002).kind, Kind::kUnavailable);  // The account is at its limits.
}

TEST(PublishReplyTest, NamesMessagesThatAreTooLarge) {
  EXPECT_EQ(Error(400, 10054).refusal, Refusal::kMessageTooLarge);
  EXPECT_EQ(Error(400, 10097).refusal, Refusal::kMessageTooLarge);
}

TEST(PublishReplyTest, NonsenseProvesNothing) {
  for (const char* data : {"", "[]", "null", "{\"stream\":\"S\",\"seq\":0}", "{\"stream\":5}",
                           "{\"stream\":\"S\",\"seq\":-4}", "{\"stream\":\"S\",\"seq\":\"9\"}"}) {
    EXPECT_EQ(ParsePublishReply(data).kind, Kind::kMalformed) << data;
  }
}

TEST(ReplySubjectTest, TokensSurviveTheRoundTrip) {
  for (const uint64_t number :
       {uint64_t{0}, uint64_t{1}, uint64_t{65536}, std::numeric_limits<uint64_t>::max()}) {
    std::string subject = "_INBOX.x.";
    AppendReplyToken(ReplyKind::kAck, number, &subject);
    ReplyKind kind = ReplyKind::kFence;
    uint64_t parsed = 99;
    ASSERT_TRUE(ParseReplyToken(absl::string_view(subject).substr(9), &kind, &parsed));
    EXPECT_EQ(kind, ReplyKind::kAck);
    EXPECT_EQ(parsed, number);
  }
}

TEST(ReplySubjectTest, RejectsForeignTokens) {
  ReplyKind kind;
  uint64_t number;
  for (const char* token : {"", "a", "x1", "aG", "a1.2", "a11112222333344445"}) {
    EXPECT_FALSE(ParseReplyToken(token, &kind, &number)) << token;
  }
}

}  // namespace
}  // namespace router
