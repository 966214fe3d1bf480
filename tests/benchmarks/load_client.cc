// Loads a PublisherService, a router's or a bare one's, from one thread, and prints one line of
// JSON with what it measured. See bench.py.
#include <stdio.h>

#include <thread>

#include <google/protobuf/stubs/logging.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "tests/benchmarks/load.h"
#include "tests/benchmarks/load_requests.h"
#include "tests/benchmarks/meter.h"

ABSL_FLAG(std::string, address, "127.0.0.1:50051", "Of the PublisherService.");
ABSL_FLAG(std::string, mode, "unary", "unary, batch or stream.");
ABSL_FLAG(bool, received, false, "Ask for GUARANTEE_RECEIVED instead of GUARANTEE_STORED.");
ABSL_FLAG(std::string, outcome, "DELIVERED",
          "The outcome that all messages must have; UNSPECIFIED: answers must be empty.");
ABSL_FLAG(int, in_flight, 64, "Calls or frames that are unanswered at a time.");
ABSL_FLAG(double, rate, 0, "With unary: calls per second in an open loop instead.");
ABSL_FLAG(int, batch, 1000, "Messages of a batch or a frame.");
ABSL_FLAG(int, payload, 256, "Bytes of each payload.");
ABSL_FLAG(std::string, subject, "bench", "First token of the subjects.");
ABSL_FLAG(int, keys, 64, "Subjects, which are ordering keys.");
ABSL_FLAG(int, connections, 1, "Connections that the calls are spread over.");

namespace router {
namespace {

std::vector<std::shared_ptr<grpc::Channel>> Connect(const std::string& address, int connections) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // A connection for each channel.
  arguments.SetMaxReceiveMessageSize(-1);
  // The client is to cost as little as it can: nothing that it does not need.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_MINIMAL_STACK, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < connections; ++i) {
    channels.push_back(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
    channels.back()->GetState(/*try_to_connect=*/true);
  }
  const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(20);
  for (const auto& channel : channels) {
    if (!channel->WaitForConnected(deadline)) {
      fprintf(stderr, "cannot connect to %s\n", address.c_str());
      exit(1);
    }
  }
  return channels;
}

LoadOptions OptionsFromFlags() {
  RequestOptions request;
  request.guarantee = absl::GetFlag(FLAGS_received) ? v1::GUARANTEE_RECEIVED : v1::GUARANTEE_STORED;
  request.payload_bytes = absl::GetFlag(FLAGS_payload);
  request.subject = absl::GetFlag(FLAGS_subject);
  request.keys = absl::GetFlag(FLAGS_keys);
  v1::PublishOutcome outcome = v1::PUBLISH_OUTCOME_UNSPECIFIED;
  if (!v1::PublishOutcome_Parse("PUBLISH_OUTCOME_" + absl::GetFlag(FLAGS_outcome), &outcome)) {
    fprintf(stderr, "--outcome: there is none of that name\n");
    exit(2);
  }
  LoadOptions options;
  options.in_flight = absl::GetFlag(FLAGS_in_flight);
  options.rate = absl::GetFlag(FLAGS_rate);
  const std::string mode = absl::GetFlag(FLAGS_mode);
  auto read = &ReadUnaryAnswer;
  if (mode == "unary") {
    options.method = "/router.v1.PublisherService/Publish";
    options.requests = MakeUnaryRequests(request);
  } else {
    const bool stream = mode == "stream";
    options.method =
        absl::StrCat("/router.v1.PublisherService/", stream ? "PublishStream" : "PublishBatch");
    options.messages_per_request = absl::GetFlag(FLAGS_batch);
    options.requests.push_back(MakeBatchRequest(request, absl::GetFlag(FLAGS_batch)));
    read = stream ? &ReadStreamAnswer : &ReadBatchAnswer;
  }
  const int64_t count = options.messages_per_request;
  options.read_answer = [read, outcome, count](const grpc::ByteBuffer& answer,
                                               std::string* problem) {
    if (answer.Length() == 0) return outcome == v1::PUBLISH_OUTCOME_UNSPECIFIED ? count : 0;
    return read(answer, outcome, problem);
  };
  options.channels = Connect(absl::GetFlag(FLAGS_address), absl::GetFlag(FLAGS_connections));
  return options;
}

int Main() {
  const LoadOptions options = OptionsFromFlags();
  Meter meter(MeterOptionsFromFlags());
  std::thread load([&options, &meter] {
    if (absl::GetFlag(FLAGS_mode) == "stream") {
      RunStreams(options, &meter);
    } else if (options.rate > 0) {
      RunOpenLoop(options, &meter);
    } else {
      RunClosedLoop(options, &meter);
    }
  });
  meter.Measure();
  load.join();
  return meter.Report();
}

}  // namespace
}  // namespace router

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  google::protobuf::SetLogHandler(nullptr);  // It warns of error details that it cannot print.
  return router::Main();
}
