// What the NATS transport does per message beside publishing: its place among those in flight, the
// subject of its answer, and the answer itself.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "transports/nats/in_flight_window.h"
#include "transports/nats/reply.h"
#include "transports/nats/reply_subject.h"

namespace router {
namespace {

constexpr int64_t kCapacity = 65536;

// Deliveries that are answered in order, with so many unanswered all the time.
void BM_Window(benchmark::State& state) {
  InFlightWindow window(kCapacity);
  std::vector<std::unique_ptr<Delivery>> deliveries;
  for (int64_t i = 0; i < state.range(0); ++i) {
    deliveries.push_back(std::make_unique<Delivery>());
    window.Add(deliveries.back().get(), InFlight::State::kSent);
  }
  uint64_t oldest = window.head();
  for (auto _ : state) {
    benchmark::DoNotOptimize(window.Find(oldest));
    Delivery* const delivery = window.Remove(oldest++);
    window.Add(delivery, InFlight::State::kSent);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Window)->Arg(64)->Arg(4096)->Arg(60000);

void BM_ReplySubject(benchmark::State& state) {
  std::string subject;
  uint64_t number = 1 << 20;
  for (auto _ : state) {
    subject.assign("_INBOX.abcdefghijklmnopqrstuv.");
    AppendReplyToken(ReplyKind::kAck, ++number, &subject);
    benchmark::DoNotOptimize(subject.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ReplySubject);

void BM_ParseReplyToken(benchmark::State& state) {
  std::string token;
  AppendReplyToken(ReplyKind::kAck, 1 << 20, &token);
  for (auto _ : state) {
    ReplyKind kind;
    uint64_t number = 0;
    benchmark::DoNotOptimize(ParseReplyToken(token, &kind, &number));
    benchmark::DoNotOptimize(number);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ParseReplyToken);

void BM_ParseStoredReply(benchmark::State& state) {
  const std::string reply = "{\"stream\":\"ORDERS\", \"seq\":1234567}";
  for (auto _ : state) {
    StoredReply stored;
    benchmark::DoNotOptimize(ParseStoredReply(reply, &stored));
    benchmark::DoNotOptimize(stored.sequence);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ParseStoredReply);

void BM_ParseRefusal(benchmark::State& state) {
  const std::string reply =
      "{\"error\":{\"code\":400,\"err_code\":10054,\"description\":\"message size exceeds maximum "
      "allowed\"},\"stream\":\"ORDERS\",\"seq\":0}";
  for (auto _ : state) benchmark::DoNotOptimize(ParsePublishReply(reply).kind);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ParseRefusal);

}  // namespace
}  // namespace router

BENCHMARK_MAIN();
