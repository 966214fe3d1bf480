// What validation costs per message: it runs once for every message that comes in.
#include <string>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "server/validation/validation.h"

namespace router {
namespace {

constexpr int64_t kMaxPayload = 1 << 20;

v1::Message MakeMessage(int header_count, size_t payload_bytes) {
  v1::Message message;
  message.set_subject("orders.europe.created");
  message.set_payload(std::string(payload_bytes, 'x'));
  message.set_message_id("018f4e7a-6a70-7b3e-9d0a-5b8c1f2e3d4c");
  message.set_ordering_key("customer-81723");
  for (int i = 0; i < header_count; ++i) {
    (*message.mutable_headers())[absl::StrCat("X-Header-", i)] = "a value of usual length";
  }
  return message;
}

void Validate(benchmark::State& state, const v1::Message& message) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(ValidateMessage(message, kMaxPayload).ok());
  }
  state.SetItemsProcessed(state.iterations());
}

void BM_Message(benchmark::State& state) {
  Validate(state, MakeMessage(static_cast<int>(state.range(0)), 256));
}
BENCHMARK(BM_Message)->Arg(0)->Arg(2)->Arg(10);

void BM_LargePayload(benchmark::State& state) { Validate(state, MakeMessage(0, 1 << 19)); }
BENCHMARK(BM_LargePayload);

void BM_SubjectBeyondAscii(benchmark::State& state) {
  v1::Message message = MakeMessage(0, 256);
  message.set_subject("bestellungen.m\xC3\xBCnchen.neu");
  Validate(state, message);
}
BENCHMARK(BM_SubjectBeyondAscii);

void BM_Refused(benchmark::State& state) {
  v1::Message message = MakeMessage(0, 256);
  message.set_subject("orders created");
  Validate(state, message);
}
BENCHMARK(BM_Refused);

}  // namespace
}  // namespace router

BENCHMARK_MAIN();
