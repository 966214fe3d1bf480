#ifndef ROUTER_SERVER_TRACING_HTTP_POST_H_
#define ROUTER_SERVER_TRACING_HTTP_POST_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace router {

// How one request ended.
struct HttpResult {
  int status = 0;              // 0: there was no answer.
  std::string error;           // Why; or the beginning of the answer's body. For people.
  absl::Duration retry_after;  // As the server asks; zero: it does not.
};

// Sends POST requests of JSON to one URL, over a connection that is kept. One thread at a time.
// Takes no proxy from the environment and follows no redirect.
class HttpPost {
 public:
  struct Options {
    std::string url;                   // http or https.
    std::vector<std::string> headers;  // "Name: value", beside the content type.
    absl::Duration timeout;            // Of a whole request, connecting included.
  };

  // `give_up` is asked about once a second, and more often while data moves: true ends the request.
  HttpPost(const Options& options, std::function<bool()> give_up);
  ~HttpPost();
  HttpPost(const HttpPost&) = delete;
  HttpPost& operator=(const HttpPost&) = delete;

  HttpResult Send(absl::string_view body);

 private:
  struct Handle;
  const std::unique_ptr<Handle> handle_;
};

}  // namespace router

#endif  // ROUTER_SERVER_TRACING_HTTP_POST_H_
