// Kinds of load on a PublisherService, driven by one completion queue and one thread. They know
// neither requests nor answers as messages: bytes go out that were serialised once, and come back.
#ifndef ROUTER_TESTS_BENCHMARKS_LOAD_H_
#define ROUTER_TESTS_BENCHMARKS_LOAD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/support/byte_buffer.h>

#include "tests/benchmarks/meter.h"

namespace router {

// Reads an answer: see load_requests.h.
using AnswerReader = std::function<int64_t(const grpc::ByteBuffer& answer, std::string* problem)>;

struct LoadOptions {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  std::string method;                      // "/router.v1.PublisherService/Publish"
  std::vector<grpc::ByteBuffer> requests;  // Sent in turn.
  int64_t messages_per_request = 1;
  AnswerReader read_answer;
  // Closed loop: calls (of a stream: frames) that are unanswered at a time, over all channels.
  int in_flight = 64;
  double rate = 0;  // Over 0: an open loop of so many calls per second instead.
};

// Each runs until `meter` is stopping and everything begun is answered.

// One call after the other on each channel in turn; latency is from the start of the call.
void RunClosedLoop(const LoadOptions& options, Meter* meter);

// Calls begin when they are due, whatever has become of earlier ones, and latency counts from then.
void RunOpenLoop(const LoadOptions& options, Meter* meter);

// One stream on each channel.
void RunStreams(const LoadOptions& options, Meter* meter);

}  // namespace router

#endif  // ROUTER_TESTS_BENCHMARKS_LOAD_H_
