#include "server/services/admin_calls.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/errors/errors.h"

namespace router {
namespace {

// Most calls take less.
constexpr absl::Duration kRetryAfter = absl::Seconds(1);

// Lives as long as its call: gRPC destroys it with the call's context, after the answer is written
// or the client is gone.
class CallEnd final : public grpc::experimental::Interceptor {
 public:
  CallEnd(const grpc::ServerContextBase* call, AdminCalls* calls) : call_(call), calls_(calls) {}
  ~CallEnd() override { calls_->End(call_); }

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    methods->Proceed();
  }

 private:
  const grpc::ServerContextBase* const call_;
  AdminCalls* const calls_;
};

}  // namespace

absl::Status AdminCalls::Begin(const grpc::ServerContextBase* call, absl::string_view client) {
  const int64_t max = client_calls_max_;
  {
    absl::MutexLock lock(&mutex_);
    if (clients_by_call_.contains(call)) return absl::OkStatus();
    int64_t& calls = calls_by_client_[client];
    if (calls < max) {
      ++calls;
      clients_by_call_.emplace(call, client);
      return absl::OkStatus();
    }
  }
  metrics_->limits_exceeded.client_max_admin_calls.Increment();
  log_->RepeatingEvent(LogLevel::kWarn, "CLIENT_LIMITED", "a client has reached a limit",
                       {{"client", client}, {"limit", "client_max_admin_calls"}});
  return error::ClientAdminCallsLimited(max, kRetryAfter);
}

void AdminCalls::End(const grpc::ServerContextBase* call) {
  absl::MutexLock lock(&mutex_);
  const auto found = clients_by_call_.find(call);
  if (found == clients_by_call_.end()) return;
  const auto client = calls_by_client_.find(found->second);
  if (--client->second == 0) calls_by_client_.erase(client);
  clients_by_call_.erase(found);
}

int64_t AdminCalls::count() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int64_t>(clients_by_call_.size());
}

AdminCallsFactory::AdminCallsFactory(const std::vector<std::string>& services, AdminCalls* calls)
    : calls_(calls) {
  for (const std::string& service : services) prefixes_.push_back(absl::StrCat("/", service, "/"));
}

grpc::experimental::Interceptor* AdminCallsFactory::CreateServerInterceptor(
    grpc::experimental::ServerRpcInfo* info) {
  const bool is_ours = std::any_of(
      prefixes_.begin(), prefixes_.end(),
      [&](const std::string& prefix) { return absl::StartsWith(info->method(), prefix); });
  return is_ours ? new CallEnd(info->server_context(), calls_) : nullptr;
}

}  // namespace router
