// A row of the pending queue without the database: what is computed for each message that is
// queued, and for each that is read back.
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "server/base/operation.h"
#include "server/pending/record_codec.h"

namespace router {
namespace {

// A message with a payload and two headers, and its row.
class QueuedMessage {
 public:
  explicit QueuedMessage(int payload_bytes)
      : payload_(static_cast<size_t>(payload_bytes), 'x'),
        headers_({{"Content-Type", "application/json"}, {"X-Tenant", "europe-1"}}) {
    operation_.message.subject = "orders.europe.created";
    operation_.message.payload = payload_;
    operation_.message.message_id = "0123456789abcdef0123456789ab";
    operation_.message.headers = absl::MakeSpan(headers_);
    operation_.ordering_key = "customer-81723";
    operation_.key_hash = HashOrderingKey(operation_.ordering_key);
    operation_.size_bytes = OperationSize(operation_.message, operation_.ordering_key);
    operation_.accept_time = absl::FromUnixSeconds(1767225600);
  }

  RecordFields Encode() {
    EncodeHeaders(operation_.message.headers, &encoded_headers_);
    return FieldsOf(operation_, 12345, encoded_headers_);
  }

 private:
  const std::string payload_;
  std::vector<Header> headers_;
  Operation operation_;
  std::string encoded_headers_;
};

void BM_Encode(benchmark::State& state) {
  QueuedMessage message(static_cast<int>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(message.Encode());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Encode)->Arg(256);

void BM_Checksum(benchmark::State& state) {
  QueuedMessage message(static_cast<int>(state.range(0)));
  const RecordFields fields = message.Encode();
  for (auto _ : state) benchmark::DoNotOptimize(RecordChecksum(fields));
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Checksum)->Arg(16)->Arg(256)->Arg(4096)->Arg(65536);

void BM_Decode(benchmark::State& state) {
  QueuedMessage message(static_cast<int>(state.range(0)));
  const RecordFields fields = message.Encode();
  for (auto _ : state)
    benchmark::DoNotOptimize(ToPendingRecord(fields, /*with_payload=*/true).ok());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Decode)->Arg(256);

}  // namespace
}  // namespace router

BENCHMARK_MAIN();
