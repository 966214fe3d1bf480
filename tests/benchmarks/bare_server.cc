// A bare PublisherService: the reference that the router's API is held against. See bench.py.
#include "tests/benchmarks/bare_server.h"

#include <stdio.h>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"

ABSL_FLAG(std::string, address, "127.0.0.1:50052", "Where to listen.");
ABSL_FLAG(std::string, api, "queue",
          "gRPC's API that it is written with: queue, callback or sync.");
ABSL_FLAG(int, threads, 1, "With queue: threads, each with a completion queue of its own.");
ABSL_FLAG(std::string, answers, "outcomes",
          "For each message of a call its outcome, or nothing: answers are then empty.");

namespace router {

void Answer(BareAnswers answers, const v1::PublishRequest&, v1::PublishResponse* response) {
  if (answers == BareAnswers::kNothing) return;
  response->mutable_result()->set_outcome(v1::PUBLISH_OUTCOME_DELIVERED);
}

void Answer(BareAnswers answers, const v1::PublishBatchRequest& request,
            v1::PublishBatchResponse* response) {
  if (answers == BareAnswers::kNothing) return;
  response->mutable_results()->Reserve(request.messages_size());
  for (int i = 0; i < request.messages_size(); ++i) {
    response->add_results()->set_outcome(v1::PUBLISH_OUTCOME_DELIVERED);
  }
}

void Answer(const v1::PublishStreamRequest& request, uint64_t* first,
            v1::PublishStreamResponse* response) {
  v1::PublishStreamRange* const range = response->add_ranges();
  range->set_first(*first);
  *first += static_cast<uint64_t>(request.messages_size());
  range->set_last(*first - 1);
  range->set_outcome(v1::PUBLISH_OUTCOME_DELIVERED);
}

}  // namespace router

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const std::string address = absl::GetFlag(FLAGS_address);
  const std::string api = absl::GetFlag(FLAGS_api);
  const router::BareAnswers answers = absl::GetFlag(FLAGS_answers) == "nothing"
                                          ? router::BareAnswers::kNothing
                                          : router::BareAnswers::kOutcomes;
  if (api == "queue") {
    router::ServeByCompletionQueues(address, absl::GetFlag(FLAGS_threads), answers);
  } else if (api == "callback") {
    router::ServeByCallbacks(address, answers);
  } else if (api == "sync") {
    router::ServeSynchronously(address, answers);
  } else {
    fprintf(stderr, "--api: there is no %s\n", api.c_str());
    return 2;
  }
  return 0;
}
