// Measures a NatsTransport against a nats-server on the same machine. Prints messages per second,
// pipelined, for JetStream with a file stream and for core NATS, and the latency of a lone message.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "tests/transports/nats/nats_server.h"
#include "transports/nats/nats_transport.h"

namespace router {
namespace {

constexpr size_t kBatch = 64;

// Counts what is settled, and aborts on anything but a confirmation.
class CountingObserver final : public Transport::Observer {
 public:
  void OnUp(uint64_t /*epoch*/) override {
    absl::MutexLock lock(&mutex_);
    up_ = true;
  }
  void OnDown(absl::FunctionRef<std::vector<Delivery*>()> take_unsettled) override {
    take_unsettled();
  }
  void OnSettled(absl::Span<Delivery* const> deliveries) override {
    for (const Delivery* delivery : deliveries) {
      if (delivery->verdict == Verdict::kConfirmed) continue;
      std::fprintf(stderr, "not confirmed: %s\n", delivery->error.c_str());
      std::abort();
    }
    absl::MutexLock lock(&mutex_);
    settled_count_ += static_cast<int64_t>(deliveries.size());
  }
  void OnConnectionEvent(const ConnectionEvent& /*event*/) override {}

  void WaitUp() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&up_));
  }
  void WaitSettled(int64_t count) {
    absl::MutexLock lock(&mutex_);
    awaited_count_ = count;
    mutex_.Await(absl::Condition(
        +[](CountingObserver* self) { return self->settled_count_ >= self->awaited_count_; },
        this));
  }

 private:
  absl::Mutex mutex_;
  bool up_ = false;
  int64_t settled_count_ = 0;
  int64_t awaited_count_ = 0;
};

struct OwnedMessage {
  std::string message_id;
  Delivery delivery;
};

std::vector<OwnedMessage> MakeMessages(const std::string& prefix, const std::string& payload,
                                       Guarantee guarantee, size_t count, size_t keys) {
  std::vector<OwnedMessage> messages(count);
  for (size_t i = 0; i < count; ++i) {
    messages[i].message_id = absl::StrCat(prefix, "-", i);
    Message& message = messages[i].delivery.message;
    message.subject = guarantee == Guarantee::kStored ? "bench.subject" : "core.subject";
    message.payload = payload;
    message.message_id = messages[i].message_id;
    message.guarantee = guarantee;
    messages[i].delivery.key_hash = i % keys;
    messages[i].delivery.deadline = std::chrono::steady_clock::now() + std::chrono::minutes(5);
  }
  return messages;
}

class Benchmark {
 public:
  explicit Benchmark(bool strict_order) {
    NatsOptions options;
    options.strict_order = strict_order;
    options.urls = {server_.url()};
    admin_.AddStream({"BENCH", {"bench.>"}});
    transport_ = std::make_unique<NatsTransport>(options, nullptr);
    if (!transport_->Start(&observer_).ok()) std::abort();
    observer_.WaitUp();
  }

  void Pipelined(const char* what, Guarantee guarantee, size_t count, size_t keys) {
    std::vector<OwnedMessage> messages = MakeMessages(what, payload_, guarantee, count, keys);
    const auto start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < count; i += kBatch) {
      std::vector<Delivery*> batch;
      for (size_t k = i; k < std::min(count, i + kBatch); ++k) {
        batch.push_back(&messages[k].delivery);
      }
      published_count_ += static_cast<int64_t>(batch.size());
      observer_.WaitSettled(published_count_ - transport_->max_in_flight());
      transport_->Publish(batch);
    }
    observer_.WaitSettled(published_count_);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::printf("%-24s %9.0f msg/s\n", what, static_cast<double>(count) / took.count());
  }

  void OneAtATime(const char* what, Guarantee guarantee, size_t count) {
    std::vector<OwnedMessage> messages = MakeMessages(what, payload_, guarantee, count, 1);
    std::vector<double> latencies_us;
    for (OwnedMessage& message : messages) {
      Delivery* const delivery = &message.delivery;
      const auto start = std::chrono::steady_clock::now();
      transport_->Publish({&delivery, 1});
      observer_.WaitSettled(++published_count_);
      const std::chrono::duration<double, std::micro> took =
          std::chrono::steady_clock::now() - start;
      latencies_us.push_back(took.count());
    }
    std::sort(latencies_us.begin(), latencies_us.end());
    std::printf("%-24s median %.0f us, p99 %.0f us\n", what, latencies_us[count / 2],
                latencies_us[count * 99 / 100]);
  }

 private:
  const std::string payload_ = std::string(256, 'x');
  NatsServer server_;
  NatsAdmin admin_{server_.url()};
  CountingObserver observer_;
  std::unique_ptr<NatsTransport> transport_;
  int64_t published_count_ = 0;
};

}  // namespace
}  // namespace router

int main() {
  using router::Guarantee;
  constexpr size_t kManyKeys = 4096;
  {
    router::Benchmark benchmark(/*strict_order=*/false);
    benchmark.OneAtATime("stored, one at a time", Guarantee::kStored, 10000);
    benchmark.OneAtATime("core, one at a time", Guarantee::kReceived, 10000);
    benchmark.Pipelined("stored, pipelined", Guarantee::kStored, 300000, 1);
    benchmark.Pipelined("core, pipelined", Guarantee::kReceived, 2000000, 1);
  }
  router::Benchmark benchmark(/*strict_order=*/true);
  benchmark.Pipelined("strict, one key", Guarantee::kStored, 50000, 1);
  benchmark.Pipelined("strict, 4096 keys", Guarantee::kStored, 300000, kManyKeys);
  return 0;
}
