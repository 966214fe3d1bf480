#ifndef ROUTER_SERVER_METRICS_PROCESS_METRICS_H_
#define ROUTER_SERVER_METRICS_PROCESS_METRICS_H_

#include "server/metrics/exposition.h"

namespace router {

// Adds process_*: what the kernel says about this process just now. What it does not say is 0.
void AddProcess(Exposition& out);

}  // namespace router

#endif  // ROUTER_SERVER_METRICS_PROCESS_METRICS_H_
