// PublisherServices that do nothing: a call is parsed, and every message in it answered as
// delivered, with nothing but the outcome. What they reach is what gRPC leaves to a router.
#ifndef ROUTER_TESTS_BENCHMARKS_BARE_SERVER_H_
#define ROUTER_TESTS_BENCHMARKS_BARE_SERVER_H_

#include <string>

#include "router/v1/publisher.pb.h"

namespace router {

// How messages are answered: the least that the API allows, or less than that.
enum class BareAnswers { kOutcomes, kNothing };

void Answer(BareAnswers answers, const v1::PublishRequest& request, v1::PublishResponse* response);
void Answer(BareAnswers answers, const v1::PublishBatchRequest& request,
            v1::PublishBatchResponse* response);
// Streams must always say what is answered. `first` is the number of the frame's first message, and
// becomes that of the next one.
void Answer(const v1::PublishStreamRequest& request, uint64_t* first,
            v1::PublishStreamResponse* response);

// Each serves at `address` until the process is killed.
void ServeByCompletionQueues(const std::string& address, int threads, BareAnswers answers);
void ServeByCallbacks(const std::string& address, BareAnswers answers);
void ServeSynchronously(const std::string& address, BareAnswers answers);

}  // namespace router

#endif  // ROUTER_TESTS_BENCHMARKS_BARE_SERVER_H_
