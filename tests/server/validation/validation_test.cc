#include "server/validation/validation.h"

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/errors/errors.h"

namespace router {
namespace {

constexpr int64_t kMaxPayload = 1 << 20;

v1::Message ValidMessage() {
  v1::Message message;
  message.set_subject("orders.new");
  message.set_payload("hello");
  return message;
}

std::string ReasonOf(const absl::Status& status) {
  return status.ok() ? "OK" : error::ReasonOf(status);
}

std::string ReasonForSubject(const std::string& subject) {
  v1::Message message = ValidMessage();
  message.set_subject(subject);
  const absl::Status whole = ValidateMessage(message, kMaxPayload);
  EXPECT_EQ(whole.message(), ValidateSubject(subject).message());
  return ReasonOf(whole);
}

std::string ReasonForHeader(const std::string& key, const std::string& value) {
  v1::Message message = ValidMessage();
  (*message.mutable_headers())[key] = value;
  const absl::Status whole = ValidateMessage(message, kMaxPayload);
  EXPECT_EQ(whole.message(), ValidateHeader(key, value).message());
  return ReasonOf(whole);
}

std::string ReasonForId(const std::string& id) {
  v1::Message message = ValidMessage();
  message.set_message_id(id);
  return ReasonOf(ValidateMessage(message, kMaxPayload));
}

TEST(MaxPayloadBytesTest, IsTheLesserOfBrokerAndSetting) {
  EXPECT_EQ(MaxPayloadBytes(1000, 0), 1000);
  EXPECT_EQ(MaxPayloadBytes(1000, 10), 10);
  EXPECT_EQ(MaxPayloadBytes(1000, 2000), 1000);
}

TEST(ValidationTest, AcceptsOrdinaryMessage) {
  v1::Message message = ValidMessage();
  EXPECT_TRUE(ValidateMessage(message, kMaxPayload).ok());
  (*message.mutable_headers())["Content-Type"] = "text/plain; charset=utf-8";
  message.set_message_id("0190-abc");
  message.set_ordering_key("customer 7");
  message.set_guarantee(v1::GUARANTEE_RECEIVED);
  message.mutable_ttl()->set_seconds(60);
  EXPECT_TRUE(ValidateMessage(message, kMaxPayload).ok());
}

TEST(ValidationTest, AcceptsSubjectsThatOnlyLookReserved) {
  for (const char* subject :
       {"a", "a.b.c", "caf\xC3\xA9.\xE2\x82\xAC.\xF0\x9F\x98\x80", "a$b", "a.$JS", "_INBOX",
        "_INBOXES.a", "_R_", "_R_a.b", "_inbox.a", "a-b_c/d:e=f"}) {
    EXPECT_EQ(ReasonForSubject(subject), "OK") << subject;
  }
}

TEST(ValidationTest, RefusesEmptySubject) {
  EXPECT_EQ(ReasonForSubject(""), "SUBJECT_INVALID");
  EXPECT_EQ(ReasonOf(ValidateMessage(v1::Message(), kMaxPayload)), "SUBJECT_INVALID");
}

TEST(ValidationTest, SubjectHasUpTo255Bytes) {
  EXPECT_EQ(ReasonForSubject(std::string(255, 'a')), "OK");
  EXPECT_EQ(ReasonForSubject(std::string(256, 'a')), "SUBJECT_INVALID");
  EXPECT_EQ(ReasonForSubject(std::string(1 << 20, 'a')), "SUBJECT_INVALID");
}

TEST(ValidationTest, RefusesEveryControlCharacterSpaceDelAndWildcardInSubject) {
  for (int c = 0; c < 256; ++c) {
    const bool is_bad = c <= ' ' || c == 0x7F || c == '*' || c == '>';
    if (c >= 0x80) continue;  // Not ASCII, not UTF-8 by itself.
    for (const char* around : {"?", "a?", "?a", "a.?", "?.a", "aaaaaaaa?aaaaaaaa"}) {
      std::string subject = around;
      subject[subject.find('?')] = static_cast<char>(c);
      if (c == '.' || c == '$') continue;  // Tests of their own.
      EXPECT_EQ(ReasonForSubject(subject), is_bad ? "SUBJECT_INVALID" : "OK")
          << absl::StrCat(around, " with ", c);
    }
  }
}

TEST(ValidationTest, RefusesControlCharactersAndSpacesBeyondAsciiInSubject) {
  for (const char* subject : {"a\xC2\x80", "a\xC2\x85", "\xC2\x9F",
                              "a\xC2\xA0"
                              "b",
                              "\xE1\x9A\x80", "a.\xE2\x80\x80", "\xE2\x80\x8A", "a\xE2\x80\xA8",
                              "a\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F.a", "\xE3\x80\x80"}) {
    EXPECT_EQ(ReasonForSubject(subject), "SUBJECT_INVALID") << subject;
  }
  for (const char* subject :
       {"\xC2\xA1", "\xE1\x9A\x81", "\xE2\x80\x93", "\xE3\x80\x81", "\xE2\x81\x9E", "\xC3\x80"}) {
    EXPECT_EQ(ReasonForSubject(subject), "OK") << subject;
  }
}

TEST(ValidationTest, RefusesSubjectThatIsNotUtf8) {
  for (const char* subject : {"a\xFF", "\x80", "a.\xC3", "\xED\xA0\x80", "\xC0\xAE", "\xE2\x80"}) {
    EXPECT_EQ(ReasonOf(ValidateSubject(subject)), "SUBJECT_INVALID");
  }
}

TEST(ValidationTest, RefusesEmptyTokens) {
  for (const char* subject : {".", "..", ".a", "a.", "a..b", "a.b.", "a...b", ".a.b"}) {
    EXPECT_EQ(ReasonForSubject(subject), "SUBJECT_INVALID") << subject;
    EXPECT_TRUE(absl::StrContains(ValidateSubject(subject).message(), "empty token")) << subject;
  }
}

TEST(ValidationTest, RefusesReservedSubjects) {
  for (const char* subject : {"$JS.API.STREAM.DELETE.S", "$SYS.x", "$KV.b.k", "$O.b", "$x", "$",
                              "_INBOX.abc", "_INBOX.a.b", "_R_.x"}) {
    EXPECT_EQ(ReasonForSubject(subject), "SUBJECT_RESERVED") << subject;
    EXPECT_EQ(ValidateSubject(subject).code(), absl::StatusCode::kPermissionDenied);
  }
}

TEST(ValidationTest, RefusesTheInjectionThatDeletesAStream) {
  EXPECT_EQ(ReasonForSubject("zz 0\r\n\r\nPUB $JS.API.STREAM.DELETE.S"), "SUBJECT_INVALID");
}

TEST(ValidationTest, RefusesTheInjectionThatPurgesAStream) {
  EXPECT_EQ(ReasonForHeader("a\r\nNats-Rollup: all", "x"), "HEADER_INVALID");
  EXPECT_EQ(ReasonForHeader("a", "x\r\nNats-Rollup: all"), "HEADER_INVALID");
}

TEST(ValidationTest, HeaderKeysAreRfc7230Tokens) {
  const std::string token_chars = "!#$%&'*+-.^_`|~";
  for (int c = 0; c < 0x80; ++c) {
    const bool is_token = absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                          (c != 0 && token_chars.find(static_cast<char>(c)) != std::string::npos);
    for (const char* around : {"?", "a?", "?a"}) {
      std::string key = around;
      key[key.find('?')] = static_cast<char>(c);
      EXPECT_EQ(ReasonForHeader(key, "v"), is_token ? "OK" : "HEADER_INVALID") << c;
    }
  }
  EXPECT_EQ(ReasonForHeader("", "v"), "HEADER_INVALID");
  EXPECT_EQ(ReasonForHeader("caf\xC3\xA9", "v"), "HEADER_INVALID");
  EXPECT_EQ(ReasonOf(ValidateHeader("a\xFF", "v")), "HEADER_INVALID");
}

TEST(ValidationTest, HeaderValuesHaveNoLineBreaksNorNul) {
  for (int c = 0; c < 0x80; ++c) {
    const bool is_bad = c == '\r' || c == '\n' || c == '\0';
    for (const char* around : {"?", "a?", "?a", "aaaaaaaa?aaaaaaaa"}) {
      std::string value = around;
      value[value.find('?')] = static_cast<char>(c);
      EXPECT_EQ(ReasonForHeader("k", value), is_bad ? "HEADER_INVALID" : "OK") << c;
    }
  }
  EXPECT_EQ(ReasonForHeader("k", ""), "OK");
  EXPECT_EQ(ReasonForHeader("k", "caf\xC3\xA9"), "OK");
  EXPECT_EQ(ReasonOf(ValidateHeader("k", "a\xFF")), "HEADER_INVALID");
}

TEST(ValidationTest, NatsHeadersBelongToTheRouterInAnyCase) {
  for (const char* key :
       {"Nats-Msg-Id", "nats-msg-id", "NATS-ROLLUP", "nAtS-Expected-Stream", "Nats-", "nats-x"}) {
    const absl::Status status = ValidateHeader(key, "x");
    EXPECT_EQ(ReasonForHeader(key, "x"), "HEADER_INVALID") << key;
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  }
  for (const char* key : {"Nats", "Natsx-a", "X-Nats-Msg-Id", "Nat-s"}) {
    EXPECT_EQ(ReasonForHeader(key, "x"), "OK") << key;
  }
}

TEST(ValidationTest, OneBadHeaderAmongManyIsFound) {
  v1::Message message = ValidMessage();
  for (int i = 0; i < 50; ++i) (*message.mutable_headers())[absl::StrCat("k", i)] = "v";
  EXPECT_TRUE(ValidateMessage(message, kMaxPayload).ok());
  (*message.mutable_headers())["k25"] = "v\n";
  EXPECT_EQ(ReasonOf(ValidateMessage(message, kMaxPayload)), "HEADER_INVALID");
}

TEST(ValidationTest, MessageIdHasUpTo128PrintableAsciiCharacters) {
  EXPECT_EQ(ReasonForId(""), "OK");
  EXPECT_EQ(ReasonForId(std::string(128, 'x')), "OK");
  EXPECT_EQ(ReasonForId(std::string(129, 'x')), "MESSAGE_ID_INVALID");
  for (int c = 0; c < 256; ++c) {
    const bool is_good = c > ' ' && c < 0x7F;
    EXPECT_EQ(ReasonOf(ValidateMessageId(std::string("a") + static_cast<char>(c))),
              is_good ? "OK" : "MESSAGE_ID_INVALID")
        << c;
  }
  EXPECT_EQ(ReasonForId("caf\xC3\xA9"), "MESSAGE_ID_INVALID");
}

TEST(ValidationTest, OrderingKeyHasUpTo255BytesOfUtf8) {
  v1::Message message = ValidMessage();
  message.set_ordering_key(std::string(255, 'k'));
  EXPECT_TRUE(ValidateMessage(message, kMaxPayload).ok());
  message.set_ordering_key(std::string(256, 'k'));
  EXPECT_EQ(ReasonOf(ValidateMessage(message, kMaxPayload)), "ORDERING_KEY_INVALID");
  EXPECT_TRUE(ValidateOrderingKey("any text\n\xC3\xA9").ok());
  EXPECT_EQ(ReasonOf(ValidateOrderingKey("\xC3")), "ORDERING_KEY_INVALID");
}

TEST(ValidationTest, GuaranteeIsOneThatThereIs) {
  v1::Message message = ValidMessage();
  for (int guarantee = 0; guarantee <= 2; ++guarantee) {
    message.set_guarantee(static_cast<v1::Guarantee>(guarantee));
    EXPECT_TRUE(ValidateMessage(message, kMaxPayload).ok());
  }
  for (const int guarantee : {-1, 3, 1 << 30}) {
    message.set_guarantee(static_cast<v1::Guarantee>(guarantee));
    EXPECT_EQ(ReasonOf(ValidateMessage(message, kMaxPayload)), "GUARANTEE_INVALID");
  }
}

TEST(ValidationTest, TtlIsPositiveAndWellFormed) {
  struct {
    int64_t seconds;
    int32_t nanos;
    const char* reason;
  } const cases[] = {
      {1, 0, "OK"},
      {0, 1, "OK"},
      {0, 999999999, "OK"},
      {315576000000, 0, "OK"},
      {0, 0, "TTL_INVALID"},
      {-1, 0, "TTL_INVALID"},
      {0, -1, "TTL_INVALID"},
      {1, -1, "TTL_INVALID"},
      {-1, 1, "TTL_INVALID"},
      {1, 1000000000, "TTL_INVALID"},
      {315576000001, 0, "TTL_INVALID"},
      {std::numeric_limits<int64_t>::max(), 0, "TTL_INVALID"},
      {std::numeric_limits<int64_t>::min(), std::numeric_limits<int32_t>::min(), "TTL_INVALID"},
  };
  for (const auto& c : cases) {
    v1::Message message = ValidMessage();
    message.mutable_ttl()->set_seconds(c.seconds);
    message.mutable_ttl()->set_nanos(c.nanos);
    EXPECT_EQ(ReasonOf(ValidateMessage(message, kMaxPayload)), c.reason)
        << c.seconds << " " << c.nanos;
  }
}

TEST(ValidationTest, PayloadAloneMayFillTheLimit) {
  v1::Message message = ValidMessage();
  message.set_guarantee(v1::GUARANTEE_RECEIVED);
  message.set_payload(std::string(100, 'x'));
  EXPECT_EQ(WireSizeBytes(message), 100) << "no header at all";
  EXPECT_TRUE(ValidateMessage(message, 100).ok());
  EXPECT_EQ(ReasonOf(ValidateMessage(message, 99)), "PAYLOAD_TOO_LARGE");
}

TEST(ValidationTest, HeadersCountAsTheBrokerCountsThem) {
  v1::Message message = ValidMessage();
  message.set_guarantee(v1::GUARANTEE_RECEIVED);
  message.set_payload("1234567");
  (*message.mutable_headers())["Key"] = "value";
  (*message.mutable_headers())["k"] = "";
  const absl::string_view block = "NATS/1.0\r\nKey: value\r\nk: \r\n\r\n";
  const auto size = static_cast<int64_t>(block.size() + 7);
  EXPECT_EQ(WireSizeBytes(message), size);
  EXPECT_TRUE(ValidateMessage(message, size).ok());
  EXPECT_EQ(ReasonOf(ValidateMessage(message, size - 1)), "PAYLOAD_TOO_LARGE");
}

TEST(ValidationTest, TheRoutersOwnHeaderCountsToo) {
  v1::Message message = ValidMessage();
  message.set_payload("");
  message.set_message_id("my-id");
  const absl::string_view block = "NATS/1.0\r\nNats-Msg-Id: my-id\r\n\r\n";
  for (const v1::Guarantee guarantee :
       {v1::GUARANTEE_UNSPECIFIED, v1::GUARANTEE_STORED, v1::GUARANTEE_RECEIVED}) {
    message.set_guarantee(guarantee);
    EXPECT_EQ(WireSizeBytes(message), static_cast<int64_t>(block.size()));
  }
  message.clear_message_id();
  message.set_guarantee(v1::GUARANTEE_STORED);
  EXPECT_EQ(WireSizeBytes(message),
            static_cast<int64_t>(block.size() - 5 + kGeneratedMessageIdBytes));
}

TEST(ValidationTest, TooLargeSaysSizeAndLimit) {
  v1::Message message = ValidMessage();
  message.set_guarantee(v1::GUARANTEE_RECEIVED);
  message.set_payload(std::string(2000, 'x'));
  const absl::Status status = ValidateMessage(message, 1024);
  EXPECT_TRUE(absl::StrContains(status.message(), "2000")) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "1024")) << status;
}

// What ValidateKeptMessage says where everything but one thing is in order.
class KeptMessageTest : public ::testing::Test {
 protected:
  KeptMessageTest() {
    message_.subject = "orders.new";
    message_.message_id = "my-id";
    message_.caller_chose_id = true;
  }
  std::string Reason(absl::string_view ordering_key = "key", int64_t payload_bytes = 7,
                     int64_t max_payload_bytes = kMaxPayload) {
    message_.headers = headers_;
    return ReasonOf(ValidateKeptMessage(message_, ordering_key, payload_bytes, max_payload_bytes));
  }

  Message message_;
  std::vector<Header> headers_;
};

TEST_F(KeptMessageTest, IsCheckedLikeANewOne) {
  headers_ = {{"Key", "value"}};
  EXPECT_EQ(Reason(), "OK");
  EXPECT_EQ(Reason(std::string(256, 'k')), "ORDERING_KEY_INVALID");
  message_.subject = "a b";
  EXPECT_EQ(Reason(), "SUBJECT_INVALID");
  message_.subject = "$JS.API.STREAM.DELETE.TEST";
  EXPECT_EQ(Reason(), "SUBJECT_RESERVED");
  message_.subject = "orders.new";
  message_.message_id = "my id";
  EXPECT_EQ(Reason(), "MESSAGE_ID_INVALID");
  message_.message_id = "";
  EXPECT_EQ(Reason(), "MESSAGE_ID_INVALID") << "it had one when it was taken in";
}

TEST_F(KeptMessageTest, EveryHeaderCountsAlsoWhereOneComesTwice) {
  headers_ = {{"k", "a\nb"}, {"k", "good"}};
  EXPECT_EQ(Reason(), "HEADER_INVALID");
  headers_ = {{"k", "good"}, {"Nats-Rollup", "all"}};
  EXPECT_EQ(Reason(), "HEADER_INVALID");
}

TEST_F(KeptMessageTest, HasTheSizeThatItHadWhenItWasNew) {
  headers_ = {{"Key", "value"}};
  v1::Message fresh = ValidMessage();
  fresh.set_payload("1234567");
  fresh.set_message_id("my-id");
  (*fresh.mutable_headers())["Key"] = "value";
  for (const v1::Guarantee guarantee : {v1::GUARANTEE_STORED, v1::GUARANTEE_RECEIVED}) {
    fresh.set_guarantee(guarantee);
    message_.guarantee =
        guarantee == v1::GUARANTEE_STORED ? Guarantee::kStored : Guarantee::kReceived;
    EXPECT_EQ(Reason("key", 7, WireSizeBytes(fresh)), "OK");
    EXPECT_EQ(Reason("key", 7, WireSizeBytes(fresh) - 1), "PAYLOAD_TOO_LARGE");
  }
  // An id that the router made is not sent with GUARANTEE_RECEIVED.
  message_.caller_chose_id = false;
  headers_.clear();
  EXPECT_EQ(Reason("key", 7, 7), "OK");
}

}  // namespace
}  // namespace router
