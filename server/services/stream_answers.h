#ifndef ROUTER_SERVER_SERVICES_STREAM_ANSWERS_H_
#define ROUTER_SERVER_SERVICES_STREAM_ANSWERS_H_

#include <cstdint>
#include <vector>

#include "router/v1/publisher.pb.h"
#include "server/base/operation.h"

namespace router {

// Adds the answers for a frame's operations, the first of which has the number `first_number` in
// its stream, to `response`: as few ranges as say all of it, and a result for each message that a
// range cannot speak for (rejected ones, and duplicates).
void AddAnswers(uint64_t first_number, const std::vector<Operation>& operations,
                v1::PublishStreamResponse* response);

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_STREAM_ANSWERS_H_
