// From requests to operations and back: what every message passes on its way in and out.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "router/v1/publisher.pb.h"
#include "server/services/message_conversion.h"
#include "server/services/stream_answers.h"

namespace router {
namespace {

constexpr int64_t kMaxPayload = 1 << 20;
constexpr int kKeys = 64;
constexpr int kPayloadBytes = 256;

class Batch final : public PublishBatch {
 public:
  explicit Batch(size_t count) : PublishBatch(count) {}

 private:
  void Done() override {}
};

v1::PublishBatchRequest MakeRequest(int count) {
  v1::PublishBatchRequest request;
  for (int i = 0; i < count; ++i) {
    v1::Message* const message = request.add_messages();
    message->set_subject(absl::StrCat("bench.", i % kKeys));
    message->set_payload(std::string(kPayloadBytes, 'x'));
  }
  return request;
}

void Fill(const v1::PublishBatchRequest& request, MessageIdSource* ids, OperationStorage* storage,
          PublishBatch* batch) {
  FillOperations(absl::MakeConstSpan(request.messages().data(), request.messages_size()),
                 kMaxPayload, absl::FromUnixSeconds(1767225600), ids, storage, batch);
}

void BM_MessageId(benchmark::State& state) {
  MessageIdSource source;
  std::string ids;
  for (auto _ : state) {
    ids.clear();
    source.Append(&ids);
    benchmark::DoNotOptimize(ids.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_MessageId);

void BM_Parse(benchmark::State& state) {
  const std::string bytes = MakeRequest(static_cast<int>(state.range(0))).SerializeAsString();
  for (auto _ : state) {
    v1::PublishBatchRequest request;
    benchmark::DoNotOptimize(request.ParseFromString(bytes));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Parse)->Arg(1)->Arg(256)->Arg(1000);

void BM_FillOperations(benchmark::State& state) {
  const v1::PublishBatchRequest request = MakeRequest(static_cast<int>(state.range(0)));
  MessageIdSource ids;
  for (auto _ : state) {
    Batch batch(request.messages_size());
    OperationStorage storage;
    Fill(request, &ids, &storage, &batch);
    benchmark::DoNotOptimize(batch.operations().data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_FillOperations)->Arg(1)->Arg(256)->Arg(1000);

// A batch whose messages are all stored, one sequence after the other.
class StoredBatch {
 public:
  explicit StoredBatch(int count) : request_(MakeRequest(count)), batch_(count) {
    Fill(request_, &ids_, &storage_, &batch_);
    uint64_t sequence = 0;
    for (Operation& operation : batch_.operations()) {
      operation.outcome = Outcome::kDelivered;
      operation.stream = "ORDERS";
      operation.sequence = ++sequence;
    }
  }

  const std::vector<Operation>& operations() { return batch_.operations(); }

 private:
  const v1::PublishBatchRequest request_;
  MessageIdSource ids_;
  OperationStorage storage_;
  Batch batch_;
};

void BM_BatchAnswer(benchmark::State& state) {
  StoredBatch batch(static_cast<int>(state.range(0)));
  std::string bytes;
  for (auto _ : state) {
    v1::PublishBatchResponse response;
    for (const Operation& operation : batch.operations()) {
      ToProto(operation, response.add_results());
    }
    response.SerializeToString(&bytes);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_BatchAnswer)->Arg(1)->Arg(1000);

void BM_StreamAnswer(benchmark::State& state) {
  StoredBatch batch(static_cast<int>(state.range(0)));
  std::string bytes;
  for (auto _ : state) {
    v1::PublishStreamResponse response;
    AddAnswers(1, batch.operations(), &response);
    response.SerializeToString(&bytes);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_StreamAnswer)->Arg(256);

}  // namespace
}  // namespace router

BENCHMARK_MAIN();
