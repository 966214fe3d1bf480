// Publishes with nats.c and nothing around it, and prints one line of JSON with what it measured:
// the reference for what the router does behind its API. See bench.py.
//
//   core   natsConnection_Publish, --count times as fast as it goes, and one flush at the end
//   async  js_PublishAsync with a message id each; what is counted are acks
//   sync   js_Publish with a message id each, at a rate: it returns with the ack
#include <nats/nats.h>
#include <stdio.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/benchmarks/meter.h"

ABSL_FLAG(std::string, url, "nats://127.0.0.1:4222", "Of the server.");
ABSL_FLAG(std::string, mode, "async", "core, async or sync.");
ABSL_FLAG(double, rate, 0, "With async and sync: messages per second; 0: as fast as it goes.");
ABSL_FLAG(int, pending, 4096, "With async: messages without an ack at a time.");
ABSL_FLAG(int, payload, 256, "Bytes of each payload.");
ABSL_FLAG(std::string, subject, "bench", "First token of the subjects.");
ABSL_FLAG(int, keys, 64, "Subjects.");
ABSL_FLAG(bool, send_asap, false, "Write each message at once, not when the flusher wakes.");

namespace router {
namespace {

constexpr int64_t kWaitMs = 30000;

// Ends the process where the library failed.
void Check(natsStatus status, const char* what) {
  if (status == NATS_OK) return;
  fprintf(stderr, "%s: %s: %s\n", what, natsStatus_GetText(status), nats_GetLastError(nullptr));
  exit(1);
}

// The subjects, the payload, and message ids like the router's: 16 hexadecimal digits that are
// random and 12 that count.
class Messages {
 public:
  Messages() : payload_(static_cast<size_t>(absl::GetFlag(FLAGS_payload)), '\0') {
    std::random_device random;
    for (char& c : payload_) c = static_cast<char>(random());
    for (int i = 0; i < absl::GetFlag(FLAGS_keys); ++i) {
      subjects_.push_back(absl::StrCat(absl::GetFlag(FLAGS_subject), ".", i));
    }
    id_ = absl::StrFormat("%08x%08x%012x", random(), random(), 0);
  }

  const char* NextSubject() { return subjects_[number_++ % subjects_.size()].c_str(); }

  // Valid until the next call.
  const char* NextId() {
    static constexpr char kDigits[] = "0123456789abcdef";
    ++id_number_;
    for (int i = 0; i < 12; ++i) id_[27 - i] = kDigits[id_number_ >> (4 * i) & 0xf];
    return id_.c_str();
  }

  const char* data() const { return payload_.data(); }
  int size() const { return static_cast<int>(payload_.size()); }

 private:
  std::vector<std::string> subjects_;
  std::string payload_;
  std::string id_;
  size_t number_ = 0;
  uint64_t id_number_ = 0;
};

// Waits for the time of each message in turn.
class Pacer {
 public:
  explicit Pacer(double rate)
      : interval_ns_(rate > 0 ? static_cast<int64_t>(1e9 / rate) : 0), next_ns_(MonotonicNs()) {}

  // When the message was due.
  int64_t Wait() {
    if (interval_ns_ == 0) return 0;
    next_ns_ += interval_ns_;
    SleepUntilNs(next_ns_);
    return next_ns_;
  }

 private:
  const int64_t interval_ns_;
  int64_t next_ns_;
};

natsConnection* Connect() {
  natsOptions* options = nullptr;
  natsConnection* connection = nullptr;
  Check(natsOptions_Create(&options), "options");
  Check(natsOptions_SetURL(options, absl::GetFlag(FLAGS_url).c_str()), "url");
  Check(natsOptions_SetAllowReconnect(options, false), "options");
  Check(natsOptions_SetSendAsap(options, absl::GetFlag(FLAGS_send_asap)), "options");
  Check(natsConnection_Connect(&connection, options), "connect");
  natsOptions_Destroy(options);
  return connection;
}

void OnAck(jsCtx*, natsMsg* message, jsPubAck* ack, jsPubAckErr* error, void* closure) {
  Meter* const meter = static_cast<Meter*>(closure);
  if (ack == nullptr || ack->Duplicate) {
    meter->Fail(
        absl::StrCat("not acknowledged: ", error == nullptr ? "duplicate" : error->ErrText));
  }
  meter->Complete(1);
  natsMsg_Destroy(message);
}

jsCtx* MakeJetStream(natsConnection* connection, Meter* meter) {
  jsOptions options;
  jsOptions_Init(&options);
  options.PublishAsync.MaxPending = absl::GetFlag(FLAGS_pending);
  options.PublishAsync.StallWait = kWaitMs;
  options.PublishAsync.AckHandler = OnAck;
  options.PublishAsync.AckHandlerClosure = meter;
  jsCtx* js = nullptr;
  Check(natsConnection_JetStream(&js, connection, &options), "JetStream");
  return js;
}

void PublishAsync(jsCtx* js, Meter* meter) {
  Messages messages;
  Pacer pacer(absl::GetFlag(FLAGS_rate));
  jsPubOptions options;
  jsPubOptions_Init(&options);
  const int64_t count_max = meter->count_max();
  for (int64_t i = 0; !meter->stopping() && (count_max == 0 || i < count_max); ++i) {
    pacer.Wait();
    options.MsgId = messages.NextId();
    Check(js_PublishAsync(js, messages.NextSubject(), messages.data(), messages.size(), &options),
          "js_PublishAsync");
  }
  jsPubOptions_Init(&options);
  options.MaxWait = kWaitMs;
  Check(js_PublishAsyncComplete(js, &options), "js_PublishAsyncComplete");
}

void PublishSync(jsCtx* js, Meter* meter) {
  Messages messages;
  Pacer pacer(absl::GetFlag(FLAGS_rate));
  jsPubOptions options;
  jsPubOptions_Init(&options);
  while (!meter->stopping()) {
    int64_t due = pacer.Wait();
    if (due == 0) due = MonotonicNs();
    options.MsgId = messages.NextId();
    jsErrCode error = static_cast<jsErrCode>(0);
    Check(js_Publish(nullptr, js, messages.NextSubject(), messages.data(), messages.size(),
                     &options, &error),
          "js_Publish");
    meter->AddLatency(MonotonicNs() - due);
    meter->Complete(1);
  }
}

// --count messages and one flush, so that all of them have been parsed by the server.
void PublishCore(natsConnection* connection, Meter* meter) {
  Messages messages;
  for (int64_t i = 0; i < meter->count_max(); ++i) {
    Check(natsConnection_Publish(connection, messages.NextSubject(), messages.data(),
                                 messages.size()),
          "natsConnection_Publish");
  }
  Check(natsConnection_FlushTimeout(connection, kWaitMs), "flush");
  meter->Complete(meter->count_max());
}

// What the waiting between messages costs by itself, in CPU time per message.
double PacingCostUs(double rate) {
  if (rate == 0) return 0;
  constexpr double kSeconds = 0.5;
  Pacer pacer(rate);
  const int64_t count = static_cast<int64_t>(rate * kSeconds);
  timespec begin;
  timespec end;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
  for (int64_t i = 0; i < count; ++i) pacer.Wait();
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
  const double used_ns = static_cast<double>(end.tv_sec - begin.tv_sec) * 1e9 +
                         static_cast<double>(end.tv_nsec - begin.tv_nsec);
  return used_ns / 1e3 / static_cast<double>(count);
}

int Main() {
  const std::string mode = absl::GetFlag(FLAGS_mode);
  Meter meter(MeterOptionsFromFlags());
  meter.AddFigure("pacing_us_per_message", PacingCostUs(absl::GetFlag(FLAGS_rate)));
  natsConnection* const connection = Connect();
  jsCtx* const js = MakeJetStream(connection, &meter);
  std::thread load([&] {
    if (mode == "core") {
      PublishCore(connection, &meter);
    } else if (mode == "sync") {
      PublishSync(js, &meter);
    } else {
      PublishAsync(js, &meter);
    }
  });
  meter.Measure();
  load.join();
  jsCtx_Destroy(js);
  natsConnection_Destroy(connection);
  return meter.Report();
}

}  // namespace
}  // namespace router

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return router::Main();
}
