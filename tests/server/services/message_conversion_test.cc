#include "server/services/message_conversion.h"

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "router/v1/message.pb.h"
#include "router/v1/publisher.pb.h"
#include "server/errors/errors.h"
#include "server/validation/validation.h"

namespace router {
namespace {

using ::testing::UnorderedElementsAre;

constexpr int64_t kMaxPayloadBytes = 1000;
const absl::Time kNow = absl::FromUnixSeconds(1767225600);

class TestBatch final : public PublishBatch {
 public:
  using PublishBatch::PublishBatch;

 protected:
  void Done() override {}
};

// The operations made of some messages, with all that they point into.
struct Converted {
  explicit Converted(const std::vector<v1::Message>& from, MessageIdSource* ids,
                     absl::Span<const Header> trace_headers = {})
      : messages(from), batch(from.size()) {
    storage.trace_headers = trace_headers;
    std::vector<const v1::Message*> pointers;
    for (const v1::Message& message : messages) pointers.push_back(&message);
    FillOperations(pointers, kMaxPayloadBytes, kNow, ids, &storage, &batch);
  }
  const Operation& operation(size_t index = 0) { return batch.operations()[index]; }

  const std::vector<v1::Message> messages;
  OperationStorage storage;
  TestBatch batch;
};

v1::Message MakeMessage(const std::string& subject = "orders.eu") {
  v1::Message message;
  message.set_subject(subject);
  message.set_payload("payload");
  return message;
}

TEST(MessageIdSourceTest, IdsAreUniqueAlsoAmongRouters) {
  MessageIdSource first, second;
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    for (MessageIdSource* ids : {&first, &second}) {
      std::string id;
      ids->Append(&id);
      EXPECT_EQ(id.size(), MessageIdSource::kIdBytes);
      EXPECT_TRUE(seen.insert(id).second);
    }
  }
}

TEST(FillOperationsTest, TakesEverythingOver) {
  v1::Message message = MakeMessage();
  message.set_message_id("mine");
  message.set_ordering_key("customer-7");
  message.set_guarantee(v1::GUARANTEE_RECEIVED);
  message.mutable_ttl()->set_seconds(10);
  message.mutable_ttl()->set_nanos(500000000);
  (*message.mutable_headers())["a"] = "1";
  (*message.mutable_headers())["b"] = "2";
  MessageIdSource ids;
  Converted converted({message}, &ids);
  const Operation& operation = converted.operation();
  EXPECT_EQ(operation.outcome, Outcome::kUnanswered) << operation.status;
  EXPECT_EQ(operation.message.subject, "orders.eu");
  EXPECT_EQ(operation.message.payload, "payload");
  EXPECT_EQ(operation.message.message_id, "mine");
  EXPECT_TRUE(operation.message.caller_chose_id);
  EXPECT_EQ(operation.message.guarantee, Guarantee::kReceived);
  std::vector<std::string> headers;
  for (const Header& header : operation.message.headers) {
    headers.push_back(std::string(header.key) + "=" + std::string(header.value));
  }
  EXPECT_THAT(headers, UnorderedElementsAre("a=1", "b=2"));
  EXPECT_EQ(operation.ordering_key, "customer-7");
  EXPECT_EQ(operation.key_hash, HashOrderingKey("customer-7"));
  EXPECT_EQ(operation.size_bytes, OperationSize(operation.message, operation.ordering_key));
  EXPECT_EQ(operation.content_hash, HashContent(operation.message, "customer-7"));
  EXPECT_EQ(operation.accept_time, kNow);
  EXPECT_EQ(operation.expire_time, kNow + absl::Milliseconds(10500));
}

TEST(FillOperationsTest, HasDefaults) {
  MessageIdSource ids;
  Converted converted({MakeMessage()}, &ids);
  const Operation& operation = converted.operation();
  EXPECT_EQ(operation.message.message_id.size(), MessageIdSource::kIdBytes);
  EXPECT_FALSE(operation.message.caller_chose_id);
  EXPECT_EQ(operation.message.guarantee, Guarantee::kStored);
  EXPECT_EQ(operation.ordering_key, "orders.eu");
  EXPECT_EQ(operation.expire_time, absl::InfiniteFuture());
}

TEST(FillOperationsTest, ViewsOfALargeBatchStayValid) {
  std::vector<v1::Message> messages;
  for (int i = 0; i < 500; ++i) {
    messages.push_back(MakeMessage());
    if (i % 3 == 0) messages.back().set_message_id("mine-" + std::to_string(i));
    for (int j = 0; j < i % 4; ++j) {
      (*messages.back().mutable_headers())["h" + std::to_string(j)] = std::to_string(i);
    }
  }
  MessageIdSource ids;
  Converted converted(messages, &ids);
  std::set<std::string> seen;
  for (int i = 0; i < 500; ++i) {
    const Operation& operation = converted.operation(static_cast<size_t>(i));
    EXPECT_TRUE(seen.insert(std::string(operation.message.message_id)).second);
    EXPECT_EQ(operation.message.headers.size(), static_cast<size_t>(i % 4));
    for (const Header& header : operation.message.headers) {
      EXPECT_EQ(header.value, std::to_string(i));
    }
  }
}

constexpr Header kTraceHeaders[] = {
    {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
    {"tracestate", "vendor=1"}};

std::vector<std::string> HeadersOf(const Operation& operation) {
  std::vector<std::string> headers;
  for (const Header& header : operation.message.headers) {
    headers.push_back(absl::StrCat(header.key, "=", header.value));
  }
  return headers;
}

TEST(FillOperationsTest, AddsTheTraceOfTheCallToEachMessage) {
  MessageIdSource ids;
  std::vector<v1::Message> messages(100, MakeMessage());
  for (v1::Message& message : messages) (*message.mutable_headers())["k"] = "v";
  Converted converted(messages, &ids, kTraceHeaders);
  for (const Operation& operation : converted.batch.operations()) {
    EXPECT_THAT(HeadersOf(operation),
                UnorderedElementsAre("k=v", absl::StrCat("traceparent=", kTraceHeaders[0].value),
                                     "tracestate=vendor=1"));
    EXPECT_EQ(operation.size_bytes, OperationSize(operation.message, operation.ordering_key));
  }
}

TEST(FillOperationsTest, AMessageKeepsATraceOfItsOwn) {
  MessageIdSource ids;
  for (const char* key : {"traceparent", "TraceParent", "tracestate"}) {
    v1::Message message = MakeMessage();
    (*message.mutable_headers())[key] = "its own";
    Converted converted({message}, &ids, kTraceHeaders);
    EXPECT_THAT(HeadersOf(converted.operation()),
                UnorderedElementsAre(absl::StrCat(key, "=its own")));
  }
}

TEST(FillOperationsTest, ATraceMakesNoMessageTooLarge) {
  MessageIdSource ids;
  const int64_t trace_bytes = HeadersWireSizeBytes(kTraceHeaders);
  v1::Message message = MakeMessage();
  message.mutable_payload()->assign(
      static_cast<size_t>(kMaxPayloadBytes - trace_bytes - WireSizeBytes(MakeMessage()) + 7), 'p');
  ASSERT_EQ(WireSizeBytes(message) + trace_bytes, kMaxPayloadBytes);
  Converted fits({message}, &ids, kTraceHeaders);
  EXPECT_EQ(fits.operation().message.headers.size(), 2u);

  message.mutable_payload()->push_back('p');
  Converted too_large({message}, &ids, kTraceHeaders);
  EXPECT_TRUE(too_large.operation().status.ok());
  EXPECT_TRUE(too_large.operation().message.headers.empty());
}

TEST(FillOperationsTest, ATraceIsNoPartOfTheContent) {
  MessageIdSource ids;
  v1::Message message = MakeMessage();
  message.set_message_id("mine");
  Converted plain({message}, &ids);
  Converted traced({message}, &ids, kTraceHeaders);
  EXPECT_EQ(plain.operation().content_hash, traced.operation().content_hash);
}

TEST(FillOperationsTest, RejectsWhatIsNotValidAndKeepsItsId) {
  v1::Message wildcard = MakeMessage("orders.*");
  wildcard.set_message_id("mine");
  v1::Message large = MakeMessage();
  large.set_payload(std::string(kMaxPayloadBytes + 1, 'x'));
  MessageIdSource ids;
  Converted converted({wildcard, MakeMessage(), large}, &ids);
  EXPECT_EQ(converted.operation(0).outcome, Outcome::kRejected);
  EXPECT_EQ(error::ReasonOf(converted.operation(0).status), "SUBJECT_INVALID");
  EXPECT_EQ(converted.operation(0).message.message_id, "mine");
  EXPECT_EQ(converted.operation(1).outcome, Outcome::kUnanswered);
  EXPECT_EQ(converted.operation(2).outcome, Outcome::kRejected);
  EXPECT_EQ(error::ReasonOf(converted.operation(2).status), "PAYLOAD_TOO_LARGE");
}

v1::PublishResult Result(const Operation& operation) {
  v1::PublishResult result;
  ToProto(operation, &result);
  return result;
}

TEST(ResultTest, EveryOutcomeSaysWhatBelongsToIt) {
  Operation operation;
  operation.message.message_id = "mine";
  operation.stream = "S";
  operation.sequence = 7;
  operation.duplicate = true;
  operation.operation_id = 5;
  operation.status = error::Draining();

  operation.outcome = Outcome::kDelivered;
  v1::PublishResult result = Result(operation);
  EXPECT_EQ(result.outcome(), v1::PUBLISH_OUTCOME_DELIVERED);
  EXPECT_EQ(result.message_id(), "mine");
  EXPECT_EQ(result.stream(), "S");
  EXPECT_EQ(result.sequence(), 7u);
  EXPECT_TRUE(result.duplicate());
  EXPECT_EQ(result.operation_id(), 0u);
  EXPECT_FALSE(result.has_error());

  operation.outcome = Outcome::kQueued;
  result = Result(operation);
  EXPECT_EQ(result.outcome(), v1::PUBLISH_OUTCOME_QUEUED);
  EXPECT_EQ(result.message_id(), "mine");
  EXPECT_EQ(result.operation_id(), 5u);
  EXPECT_EQ(result.sequence(), 0u);

  operation.outcome = Outcome::kDropped;
  result = Result(operation);
  EXPECT_EQ(result.outcome(), v1::PUBLISH_OUTCOME_DROPPED);
  EXPECT_EQ(result.message_id(), "mine");
  EXPECT_EQ(result.stream(), "");
  EXPECT_EQ(result.sequence(), 0u) << "looks like a real delivery";
  EXPECT_EQ(result.operation_id(), 0u);

  operation.outcome = Outcome::kRejected;
  result = Result(operation);
  EXPECT_EQ(result.outcome(), v1::PUBLISH_OUTCOME_REJECTED);
  EXPECT_EQ(result.message_id(), "mine");
  EXPECT_EQ(result.error().code(), static_cast<int>(absl::StatusCode::kUnavailable));
  EXPECT_GE(result.error().details_size(), 1);
}

}  // namespace
}  // namespace router
