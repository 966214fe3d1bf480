#include "server/tracing/http_post.h"

#include <curl/curl.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace router {
namespace {

constexpr size_t kBodyBytesMax = 256;  // Of an answer, for the log.

// The functions of libcurl that are used here. It is loaded when it is first wanted: with all that
// it needs itself it takes a fifth of the memory of a router that exports no spans.
class Library {
 public:
  // Null where it cannot be loaded.
  static const Library* Get() {
    static const Library* const library = Load();
    return library;
  }

  decltype(&curl_global_init) global_init = nullptr;
  decltype(&curl_easy_init) easy_init = nullptr;
  decltype(&curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&curl_easy_setopt) easy_setopt = nullptr;
  decltype(&curl_easy_perform) easy_perform = nullptr;
  decltype(&curl_easy_getinfo) easy_getinfo = nullptr;
  decltype(&curl_easy_strerror) easy_strerror = nullptr;
  decltype(&curl_slist_append) slist_append = nullptr;
  decltype(&curl_slist_free_all) slist_free_all = nullptr;

 private:
  static const Library* Load() {
    void* const handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) return nullptr;
    auto library = std::make_unique<Library>();
    const bool found = Find(handle, "curl_global_init", &library->global_init) &&
                       Find(handle, "curl_easy_init", &library->easy_init) &&
                       Find(handle, "curl_easy_cleanup", &library->easy_cleanup) &&
                       Find(handle, "curl_easy_setopt", &library->easy_setopt) &&
                       Find(handle, "curl_easy_perform", &library->easy_perform) &&
                       Find(handle, "curl_easy_getinfo", &library->easy_getinfo) &&
                       Find(handle, "curl_easy_strerror", &library->easy_strerror) &&
                       Find(handle, "curl_slist_append", &library->slist_append) &&
                       Find(handle, "curl_slist_free_all", &library->slist_free_all);
    if (!found || library->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return nullptr;
    return library.release();  // For as long as the process lives.
  }

  template <typename Function>
  static bool Find(void* handle, const char* name, Function* function) {
    *function = reinterpret_cast<Function>(dlsym(handle, name));
    return *function != nullptr;
  }
};

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
    if (library != nullptr) curl = library->easy_init();
  }
  ~Handle() {
    if (curl == nullptr) return;
    library->slist_free_all(headers);
    library->easy_cleanup(curl);
  }

  template <typename Value>
  void Set(CURLoption option, Value value) {
    library->easy_setopt(curl, option, value);
  }
  void AddHeader(const char* header) { headers = library->slist_append(headers, header); }

  const Library* const library = Library::Get();
  std::function<bool()> give_up;
  CURL* curl = nullptr;
  curl_slist* headers = nullptr;
  std::string body;
  char error[CURL_ERROR_SIZE] = "";
};

HttpPost::HttpPost(const Options& options, std::function<bool()> give_up)
    : handle_(std::make_unique<Handle>(std::move(give_up))) {
  if (handle_->curl == nullptr) return;
  handle_->AddHeader("Content-Type: application/json");
  // A server need not say that it is ready for the body.
  handle_->AddHeader("Expect:");
  for (const std::string& header : options.headers) {
    handle_->AddHeader(header.c_str());
  }
  const long timeout_ms = static_cast<long>(absl::ToInt64Milliseconds(options.timeout));
  handle_->Set(CURLOPT_URL, options.url.c_str());
  handle_->Set(CURLOPT_PROTOCOLS_STR, "http,https");
  handle_->Set(CURLOPT_PROXY, "");
  handle_->Set(CURLOPT_FOLLOWLOCATION, 0L);
  handle_->Set(CURLOPT_NOSIGNAL, 1L);
  handle_->Set(CURLOPT_TIMEOUT_MS, timeout_ms);
  handle_->Set(CURLOPT_USERAGENT, "router");
  handle_->Set(CURLOPT_HTTPHEADER, handle_->headers);
  handle_->Set(CURLOPT_ERRORBUFFER, handle_->error);
  handle_->Set(CURLOPT_WRITEFUNCTION, KeepBeginning);
  handle_->Set(CURLOPT_WRITEDATA, &handle_->body);
  handle_->Set(CURLOPT_NOPROGRESS, 0L);
  handle_->Set(CURLOPT_XFERINFOFUNCTION, AskWhetherToGiveUp);
  handle_->Set(CURLOPT_XFERINFODATA, &handle_->give_up);
}

HttpPost::~HttpPost() = default;

HttpResult HttpPost::Send(absl::string_view body) {
  HttpResult result;
  const Library* const library = handle_->library;
  CURL* const curl = handle_->curl;
  if (curl == nullptr) {
    result.error = "libcurl.so.4 cannot be loaded: install the package libcurl4";
    return result;
  }
  handle_->body.clear();
  handle_->error[0] = '\0';
  handle_->Set(CURLOPT_POSTFIELDS, body.data());
  handle_->Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  const CURLcode code = library->easy_perform(curl);
  if (code != CURLE_OK) {
    result.error = handle_->error[0] != '\0' ? handle_->error : library->easy_strerror(code);
    return result;
  }
  long status = 0;
  curl_off_t retry_after_s = 0;
  library->easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  library->easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after_s);
  result.status = static_cast<int>(status);
  result.retry_after = absl::Seconds(retry_after_s);
  result.error = handle_->body;
  return result;
}

}  // namespace router
