#include "tests/benchmarks/load_requests.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "router/v1/publisher.pb.h"

namespace router {
namespace {

// The tags of what is read here: field 1 of an answer is a result, field 1 of a result its outcome.
constexpr uint8_t kFirstFieldMessage = 0x0a;
constexpr uint8_t kFirstFieldNumber = 0x08;

std::string RandomPayload(int bytes) {
  std::mt19937 random(1);
  std::string payload(bytes, '\0');
  for (char& c : payload) c = static_cast<char>(random());
  return payload;
}

void FillMessage(const RequestOptions& options, int number, const std::string& payload,
                 v1::Message* message) {
  message->set_subject(absl::StrCat(options.subject, ".", number % options.keys));
  message->set_payload(payload);
  message->set_guarantee(options.guarantee);
}

grpc::ByteBuffer Serialise(const google::protobuf::MessageLite& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

std::string Text(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string text;
  if (!buffer.Dump(&slices).ok()) return text;
  text.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return text;
}

bool ReadLength(absl::string_view* data, size_t* length) {
  *length = 0;
  for (int shift = 0; shift < 35 && !data->empty(); shift += 7) {
    const uint8_t byte = static_cast<uint8_t>(data->front());
    data->remove_prefix(1);
    *length |= static_cast<size_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return *length <= data->size();
  }
  return false;
}

// Counts the results at the start of `data` that begin with `outcome`, and removes them from it.
int64_t CountResults(v1::PublishOutcome outcome, absl::string_view* data) {
  int64_t count = 0;
  while (!data->empty() && static_cast<uint8_t>(data->front()) == kFirstFieldMessage) {
    absl::string_view rest = data->substr(1);
    size_t length = 0;
    if (!ReadLength(&rest, &length) || length < 2) break;
    if (static_cast<uint8_t>(rest[0]) != kFirstFieldNumber || rest[1] != outcome) break;
    data->remove_prefix(rest.data() + length - data->data());
    ++count;
  }
  return count;
}

template <typename Answer>
std::string Describe(absl::string_view data) {
  Answer answer;
  if (!answer.ParseFromArray(data.data(), static_cast<int>(data.size()))) {
    return "an answer that cannot be read";
  }
  return absl::StrCat("an answer with another outcome: ", answer.ShortDebugString().substr(0, 300));
}

template <typename Answer>
int64_t ReadResults(absl::string_view data, v1::PublishOutcome outcome, std::string* problem) {
  const int64_t count = CountResults(outcome, &data);
  if (!data.empty() || count == 0) *problem = Describe<Answer>(data);
  return count;
}

}  // namespace

std::vector<grpc::ByteBuffer> MakeUnaryRequests(const RequestOptions& options) {
  const std::string payload = RandomPayload(options.payload_bytes);
  std::vector<grpc::ByteBuffer> requests;
  for (int i = 0; i < options.keys; ++i) {
    v1::PublishRequest request;
    FillMessage(options, i, payload, request.mutable_message());
    requests.push_back(Serialise(request));
  }
  return requests;
}

grpc::ByteBuffer MakeBatchRequest(const RequestOptions& options, int count) {
  const std::string payload = RandomPayload(options.payload_bytes);
  v1::PublishBatchRequest request;
  for (int i = 0; i < count; ++i) FillMessage(options, i, payload, request.add_messages());
  return Serialise(request);
}

int64_t ReadUnaryAnswer(const grpc::ByteBuffer& answer, v1::PublishOutcome outcome,
                        std::string* problem) {
  grpc::Slice slice;
  if (!answer.TrySingleSlice(&slice).ok()) return ReadBatchAnswer(answer, outcome, problem);
  return ReadResults<v1::PublishResponse>(
      absl::string_view(reinterpret_cast<const char*>(slice.begin()), slice.size()), outcome,
      problem);
}

int64_t ReadBatchAnswer(const grpc::ByteBuffer& answer, v1::PublishOutcome outcome,
                        std::string* problem) {
  return ReadResults<v1::PublishBatchResponse>(Text(answer), outcome, problem);
}

int64_t ReadStreamAnswer(const grpc::ByteBuffer& answer, v1::PublishOutcome outcome,
                         std::string* problem) {
  v1::PublishStreamResponse response;
  if (!response.ParseFromString(Text(answer))) {
    *problem = "an answer that cannot be read";
    return 0;
  }
  int64_t count = 0;
  bool all = true;
  for (const v1::PublishStreamRange& range : response.ranges()) {
    count += static_cast<int64_t>(range.last() - range.first() + 1);
    all = all && range.outcome() == outcome;
  }
  for (const v1::PublishStreamResult& result : response.results()) {
    ++count;
    all = all && result.result().outcome() == outcome;
  }
  if (!all) *problem = Describe<v1::PublishStreamResponse>(response.SerializeAsString());
  return count;
}

}  // namespace router
