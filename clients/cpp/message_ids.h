// Message ids for callers who have none of their own.
#ifndef ROUTER_CLIENTS_CPP_MESSAGE_IDS_H_
#define ROUTER_CLIENTS_CPP_MESSAGE_IDS_H_

#include <atomic>
#include <cstdint>
#include <string>

namespace router::client {

// Makes ids that are unique everywhere: 128 random bits from the operating system, drawn once, and
// a counter. About 40 printable characters. Thread-safe. A child process must not go on with the
// generator of its parent after fork().
class MessageIds {
 public:
  MessageIds();

  std::string Next();

 private:
  const std::string prefix_;
  std::atomic<uint64_t> counter_{0};
};

}  // namespace router::client

#endif  // ROUTER_CLIENTS_CPP_MESSAGE_IDS_H_
