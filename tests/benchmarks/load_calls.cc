// Unary calls: closed loop and open loop.
#include <atomic>
#include <thread>

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "tests/benchmarks/load.h"

namespace router {
namespace {

// More calls than this unanswered, and an open loop has failed: the rate is too high.
constexpr int64_t kOpenLoopInFlightMax = 20000;

struct Call {
  void Start(grpc::GenericStub* stub, const std::string& method, const grpc::ByteBuffer& request,
             int64_t due_ns, grpc::CompletionQueue* queue) {
    start_ns = due_ns;
    context.emplace();
    answer.Clear();
    reader = stub->PrepareUnaryCall(&*context, method, request, queue);
    reader->StartCall();
    reader->Finish(&answer, &status, this);
  }

  absl::optional<grpc::ClientContext> context;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
  grpc::ByteBuffer answer;
  grpc::Status status;
  int64_t start_ns = 0;
  grpc::GenericStub* stub = nullptr;
};

std::vector<std::unique_ptr<grpc::GenericStub>> MakeStubs(const LoadOptions& options) {
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs;
  for (const auto& channel : options.channels) {
    stubs.push_back(std::make_unique<grpc::GenericStub>(channel));
  }
  return stubs;
}

// Counts an answer. Returns when it came.
int64_t Account(const LoadOptions& options, const Call& call, Meter* meter) {
  const int64_t now = MonotonicNs();
  if (!call.status.ok()) {
    meter->Fail(absl::StrCat("a call failed: ", call.status.error_message(), " (code ",
                             call.status.error_code(), ")"));
    return now;
  }
  std::string problem;
  const int64_t messages = options.read_answer(call.answer, &problem);
  if (messages != options.messages_per_request) {
    meter->Fail(absl::StrCat(messages, " of ", options.messages_per_request,
                             " messages are answered as expected; ", problem));
  }
  meter->AddLatency(now - call.start_ns);
  meter->Complete(messages);
  return now;
}

}  // namespace

void RunClosedLoop(const LoadOptions& options, Meter* meter) {
  grpc::CompletionQueue queue;
  const auto stubs = MakeStubs(options);
  int64_t started = 0;
  int64_t finished = 0;
  const auto start = [&](Call* call, int64_t now) {
    if (meter->stopping()) return;
    if (meter->count_max() > 0 && started * options.messages_per_request >= meter->count_max()) {
      return;
    }
    const size_t next = static_cast<size_t>(started++);
    call->Start(call->stub, options.method, options.requests[next % options.requests.size()], now,
                &queue);
  };
  std::vector<Call> calls(options.in_flight);
  for (size_t i = 0; i < calls.size(); ++i) {
    calls[i].stub = stubs[i % stubs.size()].get();
    start(&calls[i], MonotonicNs());
  }
  void* tag = nullptr;
  bool ok = false;
  while (finished < started && queue.Next(&tag, &ok)) {
    Call* const call = static_cast<Call*>(tag);
    ++finished;
    start(call, Account(options, *call, meter));
  }
}

void RunOpenLoop(const LoadOptions& options, Meter* meter) {
  grpc::CompletionQueue queue;
  const auto stubs = MakeStubs(options);
  std::atomic<int64_t> started{0};
  std::atomic<int64_t> finished{0};
  // Starts calls from a thread of its own, so that waiting for the next one delays no answer.
  std::thread pacer([&] {
    const int64_t interval_ns = static_cast<int64_t>(1e9 / options.rate);
    const int64_t begin = MonotonicNs();
    for (int64_t i = 0; !meter->stopping(); ++i) {
      const int64_t due = begin + i * interval_ns;
      SleepUntilNs(due);
      if (started - finished > kOpenLoopInFlightMax) {
        meter->Fail("the calls do not keep up with their rate");
        break;
      }
      ++started;
      const size_t next = static_cast<size_t>(i);
      (new Call)->Start(stubs[next % stubs.size()].get(), options.method,
                        options.requests[next % options.requests.size()], due, &queue);
    }
    while (finished != started) SleepUntilNs(MonotonicNs() + 1000000);
    queue.Shutdown();
  });
  void* tag = nullptr;
  bool ok = false;
  while (queue.Next(&tag, &ok)) {
    const std::unique_ptr<Call> call(static_cast<Call*>(tag));
    Account(options, *call, meter);
    ++finished;
  }
  pacer.join();
}

}  // namespace router
