#include "server/tracing/http_post.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace router {
namespace {

constexpr size_t kBodyBytesMax = 256;  // Of an answer, for the log.

// libcurl wants it called before there are threads that use it.
void InitialiseLibrary() {
  static const CURLcode result = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(result);
}

size_t KeepBeginning(const char* data, size_t /*one*/, size_t size, void* user_data) {
  auto* const body = static_cast<std::string*>(user_data);
  body->append(data, std::min(size, kBodyBytesMax - std::min(kBodyBytesMax, body->size())));
  return size;
}

int AskWhetherToGiveUp(void* user_data, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<std::function<bool()>*>(user_data))() ? 1 : 0;
}

}  // namespace

struct HttpPost::Handle {
  explicit Handle(std::function<bool()> asked) : give_up(std::move(asked)) {
    InitialiseLibrary();
    curl = curl_easy_init();
  }
  ~Handle() {
    curl_slist_free_all(headers);
    if (curl != nullptr) curl_easy_cleanup(curl);
  }

  std::function<bool()> give_up;
  CURL* curl = nullptr;
  curl_slist* headers = nullptr;
  std::string body;
  char error[CURL_ERROR_SIZE] = "";
};

HttpPost::HttpPost(const Options& options, std::function<bool()> give_up)
    : handle_(std::make_unique<Handle>(std::move(give_up))) {
  CURL* const curl = handle_->curl;
  if (curl == nullptr) return;
  handle_->headers = curl_slist_append(nullptr, "Content-Type: application/json");
  // A server need not say that it is ready for the body.
  handle_->headers = curl_slist_append(handle_->headers, "Expect:");
  for (const std::string& header : options.headers) {
    handle_->headers = curl_slist_append(handle_->headers, header.c_str());
  }
  const long timeout_ms = static_cast<long>(absl::ToInt64Milliseconds(options.timeout));
  curl_easy_setopt(curl, CURLOPT_URL, options.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "router");
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, handle_->headers);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, handle_->error);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, KeepBeginning);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &handle_->body);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, AskWhetherToGiveUp);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &handle_->give_up);
}

HttpPost::~HttpPost() = default;

HttpResult HttpPost::Send(absl::string_view body) {
  HttpResult result;
  CURL* const curl = handle_->curl;
  if (curl == nullptr) {
    result.error = "libcurl cannot be used";
    return result;
  }
  handle_->body.clear();
  handle_->error[0] = '\0';
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) {
    result.error = handle_->error[0] != '\0' ? handle_->error : curl_easy_strerror(code);
    return result;
  }
  long status = 0;
  curl_off_t retry_after_s = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after_s);
  result.status = static_cast<int>(status);
  result.retry_after = absl::Seconds(retry_after_s);
  result.error = handle_->body;
  return result;
}

}  // namespace router
