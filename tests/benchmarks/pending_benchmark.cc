// How fast the pending queue on disk is: appends by batch size (each batch one synced commit),
// drain, and opening with a backlog. Messages have 300 bytes of payload. Writes to TMPDIR, or /tmp.
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "benchmark/benchmark.h"
#include "server/base/clock.h"
#include "server/pending/sqlite_pending_queue.h"

namespace router {
namespace {

constexpr int kPayloadBytes = 300;
constexpr int kDrainSlice = 4096;

class CountingObserver : public PendingQueue::Observer {
 public:
  void OnAppended(absl::Span<Operation* const> operations, const absl::Status& status) override {
    absl::MutexLock lock(&mutex_);
    answered_ += operations.size();
    if (!status.ok()) failed_ += operations.size();
  }
  void OnRemoved(absl::Span<const RemovedRecord>, RemovalCause) override {}
  void OnRedriven(absl::Span<const RemovedRecord>) override {}
  void OnDeadLettersRemoved(absl::Span<const RemovedRecord>, RemovalCause) override {}

  bool WaitForAnswers(int64_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [this, count]()
                            ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return answered_ >= count; };
    mutex_.Await(absl::Condition(&enough));
    return failed_ == 0;
  }

 private:
  absl::Mutex mutex_;
  int64_t answered_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t failed_ ABSL_GUARDED_BY(mutex_) = 0;
};

// A queue in a folder of its own, and a batch of operations that is appended again and again.
class Bench {
 public:
  explicit Bench(int batch_size) : payload_(kPayloadBytes, 'x') {
    const char* const base = getenv("TMPDIR");
    folder_ = absl::StrCat(base == nullptr ? "/tmp" : base, "/pending-benchmark-XXXXXX");
    if (mkdtemp(&folder_[0]) == nullptr) abort();
    operations_.resize(batch_size);
    for (Operation& operation : operations_) {
      operation.message.subject = "benchmark.orders";
      operation.message.payload = payload_;
      operation.message.message_id = "0123456789abcdef0123";
      operation.ordering_key = operation.message.subject;
      operation.key_hash = HashOrderingKey(operation.ordering_key);
      operation.size_bytes = OperationSize(operation.message, operation.ordering_key);
      operation.accept_time = absl::FromUnixSeconds(1767225600);
      pointers_.push_back(&operation);
    }
    Open();
  }

  ~Bench() {
    queue_.reset();
    std::filesystem::remove_all(folder_);
  }

  // Returns how many records it found.
  int64_t Open() {
    queue_.reset();
    SqlitePendingQueue::Options options;
    options.directory = folder_;
    options.clock = SystemClock();
    queue_ = std::make_unique<SqlitePendingQueue>(options);
    const absl::StatusOr<RecoveredQueue> recovered = queue_->Open(&observer_);
    if (!recovered.ok()) abort();
    return recovered->records.size();
  }

  void Close() { queue_.reset(); }

  bool AppendBatch() {
    queue_->Append(pointers_);
    appended_ += pointers_.size();
    return observer_.WaitForAnswers(appended_);
  }

  // Claims and removes everything, with the next slice claimed while the last one is removed.
  int64_t Drain() {
    int64_t drained = 0;
    uint64_t after = 0;
    while (true) {
      absl::StatusOr<std::vector<PendingRecord>> records =
          queue_->Claim(after, kDrainSlice, int64_t{64} << 20);
      if (!records.ok()) abort();
      if (records->empty()) return drained;
      std::vector<uint64_t> sequences;
      for (const PendingRecord& record : *records) sequences.push_back(record.sequence);
      queue_->Remove(sequences);
      drained += sequences.size();
      after = sequences.back();
    }
  }

 private:
  const std::string payload_;
  std::string folder_;
  std::vector<Operation> operations_;
  std::vector<Operation*> pointers_;
  CountingObserver observer_;
  std::unique_ptr<SqlitePendingQueue> queue_;
  int64_t appended_ = 0;
};

void BM_Append(benchmark::State& state) {
  Bench bench(state.range(0));
  for (auto _ : state) {
    if (!bench.AppendBatch()) state.SkipWithError("an append failed");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Append)->Arg(1)->Arg(16)->Arg(256)->Arg(4096)->UseRealTime();

void BM_Drain(benchmark::State& state) {
  int64_t drained = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto bench = std::make_unique<Bench>(4096);
    for (int64_t count = 0; count < state.range(0); count += 4096) bench->AppendBatch();
    state.ResumeTiming();
    drained += bench->Drain();
    bench->Close();
    state.PauseTiming();
    bench.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(drained);
}
BENCHMARK(BM_Drain)->Arg(409600)->Iterations(3)->UseRealTime()->Unit(benchmark::kMillisecond);

void BM_Open(benchmark::State& state) {
  Bench bench(4096);
  for (int64_t count = 0; count < state.range(0); count += 4096) bench.AppendBatch();
  int64_t found = 0;
  for (auto _ : state) {
    state.PauseTiming();
    bench.Close();
    state.ResumeTiming();
    found += bench.Open();
  }
  state.SetItemsProcessed(found);
}
BENCHMARK(BM_Open)->Arg(1000000)->Iterations(3)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace router

BENCHMARK_MAIN();
