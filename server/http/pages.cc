#include "server/http/pages.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace router {
namespace {

constexpr char kMetricsText[] = "text/plain; version=0.0.4; charset=utf-8";
constexpr char kIndex[] =
    "router\n"
    "\n"
    "/metrics  metrics in the Prometheus text format\n"
    "/livez    200 while the process serves\n"
    "/readyz   200 while the router can keep its promises, else 503 with the reasons\n";

HttpAnswer Readiness(const std::vector<std::string>& problems,
                     const std::vector<std::string>& warnings) {
  if (problems.empty()) {
    std::string body = "ok\n";
    for (const std::string& warning : warnings) absl::StrAppend(&body, "warning: ", warning, "\n");
    return {.body = std::move(body)};
  }
  return {.status = 503, .body = absl::StrCat(absl::StrJoin(problems, "\n"), "\n")};
}

}  // namespace

absl::optional<HttpAnswer> AnswerAtOnce(absl::string_view method, absl::string_view path) {
  if (method != "GET" && method != "HEAD") {
    return HttpAnswer{.status = 405, .body = "GET and HEAD only\n"};
  }
  if (path == "/metrics" || path == "/readyz") return absl::nullopt;
  if (path == "/livez") return HttpAnswer{.body = "ok\n"};
  if (path == "/") return HttpAnswer{.body = kIndex};
  return HttpAnswer{.status = 404, .body = "not found; see /\n"};
}

HttpAnswer MakePage(absl::string_view path, const HttpHandlers& handlers) {
  if (path == "/metrics") return {.content_type = kMetricsText, .body = handlers.metrics()};
  return Readiness(handlers.readiness_problems(), handlers.warnings());
}

}  // namespace router
