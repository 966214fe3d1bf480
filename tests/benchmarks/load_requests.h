// The requests of the load client, serialised once, and the reading of their answers, as cheap as
// it can be: the client shares the machine with what it measures.
#ifndef ROUTER_TESTS_BENCHMARKS_LOAD_REQUESTS_H_
#define ROUTER_TESTS_BENCHMARKS_LOAD_REQUESTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include <grpcpp/support/byte_buffer.h>

#include "router/v1/message.pb.h"

namespace router {

struct RequestOptions {
  v1::Guarantee guarantee = v1::GUARANTEE_STORED;
  int payload_bytes = 256;
  std::string subject = "bench";
  int keys = 64;  // Subjects bench.0, bench.1, …; each is an ordering key.
};

// Requests of Publish: one for each key.
std::vector<grpc::ByteBuffer> MakeUnaryRequests(const RequestOptions& options);

// A request of PublishBatch or a frame of PublishStream, which look alike: `count` messages, of one
// key after the other.
grpc::ByteBuffer MakeBatchRequest(const RequestOptions& options, int count);

// Each returns how many messages the answer says to have ended in `outcome`, and explains in
// `problem` where it says something else of any, or cannot be read.
int64_t ReadUnaryAnswer(const grpc::ByteBuffer& answer, v1::PublishOutcome outcome,
                        std::string* problem);
int64_t ReadBatchAnswer(const grpc::ByteBuffer& answer, v1::PublishOutcome outcome,
                        std::string* problem);
int64_t ReadStreamAnswer(const grpc::ByteBuffer& answer, v1::PublishOutcome outcome,
                         std::string* problem);

}  // namespace router

#endif  // ROUTER_TESTS_BENCHMARKS_LOAD_REQUESTS_H_
