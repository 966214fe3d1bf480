#ifndef ROUTER_SERVER_HTTP_PAGES_H_
#define ROUTER_SERVER_HTTP_PAGES_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace router {

struct HttpAnswer {
  int status = 200;
  const char* content_type = "text/plain; charset=utf-8";
  std::string body;
};

// What the pages are made of. Called by one thread at a time; may take their time.
struct HttpHandlers {
  // The text of `/metrics`.
  std::function<std::string()> metrics;
  // Why the router cannot keep its promises just now; empty: it can. One line each.
  std::function<std::vector<std::string>()> readiness_problems;
  // What else an operator has to know, said by `/readyz` as well. One line each.
  std::function<std::vector<std::string>()> warnings = [] { return std::vector<std::string>(); };
};

// The answer to what takes no handler: `/livez`, the list at `/`, other paths and methods than
// there are. Nothing for `/metrics` and `/readyz`.
absl::optional<HttpAnswer> AnswerAtOnce(absl::string_view method, absl::string_view path);

// The answer to the rest.
HttpAnswer MakePage(absl::string_view path, const HttpHandlers& handlers);

}  // namespace router

#endif  // ROUTER_SERVER_HTTP_PAGES_H_
