#include "server/limits/client_limits.h"

#include <algorithm>
#include <utility>

#include "server/errors/errors.h"

namespace router {
namespace {

// For bytes and messages in hand: about what it takes to answer a good part of them.
constexpr absl::Duration kRetryInFlight = absl::Milliseconds(100);

bool Exceeds(int64_t in_hand, int64_t more, int64_t max) {
  return in_hand > 0 && in_hand + more > max;
}

}  // namespace

ClientLimits::ClientLimits(const Limits& limits, Clock* clock, Logger* log, Metrics* metrics)
    : clock_(clock), log_(log), metrics_(metrics), limits_(limits) {}

void ClientLimits::Set(const Limits& limits) {
  absl::MutexLock lock(&mutex_);
  // What was saved up, or is to be made up for, at another rate is forgotten.
  if (limits.client_messages_per_second != limits_.client_messages_per_second) {
    for (auto& [name, client] : clients_) client->refilled_at_ = SteadyTime::min();
  }
  limits_ = limits;
}

std::shared_ptr<ClientLimits::Client> ClientLimits::Find(absl::string_view name) {
  absl::MutexLock lock(&mutex_);
  auto found = clients_.find(name);
  if (found == clients_.end()) {
    found = clients_.emplace(std::string(name), std::make_shared<Client>(name)).first;
  }
  return found->second;
}

absl::Status ClientLimits::Take(Client* client, int64_t messages, int64_t bytes) {
  absl::optional<Refusal> refusal = TryToTake(client, messages, bytes);
  if (!refusal.has_value()) return absl::OkStatus();
  refusal->count->Increment();
  log_->RepeatingEvent(LogLevel::kWarn, "CLIENT_LIMITED", "a client has reached a limit",
                       {{"client", client->name_}, {"limit", refusal->limit}});
  return std::move(refusal->error);
}

bool ClientLimits::TakeAgain(Client* client, int64_t messages, int64_t bytes) {
  return !TryToTake(client, messages, bytes).has_value();
}

absl::optional<ClientLimits::Refusal> ClientLimits::TryToTake(Client* client, int64_t messages,
                                                              int64_t bytes) {
  absl::MutexLock lock(&mutex_);
  if (!stopped_) {
    Refill(client);
    absl::optional<Refusal> refusal = Check(*client, messages, bytes);
    if (refusal.has_value()) return refusal;
    client->tokens_ -= static_cast<double>(messages);
  }
  client->in_flight_messages_ += messages;
  client->in_flight_bytes_ += bytes;
  in_flight_bytes_ += bytes;
  return absl::nullopt;
}

absl::optional<ClientLimits::Refusal> ClientLimits::Check(const Client& client, int64_t messages,
                                                          int64_t bytes) const {
  LimitExceededCounters& exceeded = metrics_->limits_exceeded;
  const int64_t rate = limits_.client_messages_per_second;
  if (rate > 0 && client.tokens_ <= 0) {
    const double to_make_up_for = 1 - client.tokens_;
    const absl::Duration wait = absl::Seconds(to_make_up_for / static_cast<double>(rate));
    return Refusal{"client_max_messages_per_second", &exceeded.client_max_messages_per_second,
                   error::ClientRateLimited(rate, wait)};
  }
  if (const int64_t max = limits_.client_in_flight_messages_max;
      Exceeds(client.in_flight_messages_, messages, max)) {
    return Refusal{"client_max_in_flight_messages", &exceeded.client_max_in_flight_messages,
                   error::ClientInFlightLimited("messages", client.in_flight_messages_, max,
                                                kRetryInFlight)};
  }
  if (const int64_t max = limits_.client_in_flight_bytes_max;
      Exceeds(client.in_flight_bytes_, bytes, max)) {
    return Refusal{
        "client_max_in_flight_bytes", &exceeded.client_max_in_flight_bytes,
        error::ClientInFlightLimited("bytes", client.in_flight_bytes_, max, kRetryInFlight)};
  }
  if (const int64_t max = limits_.in_flight_bytes_max; Exceeds(in_flight_bytes_, bytes, max)) {
    return Refusal{"publish_max_in_flight_bytes", &exceeded.publish_max_in_flight_bytes,
                   error::InFlightLimited(in_flight_bytes_, max, kRetryInFlight)};
  }
  return absl::nullopt;
}

// What is not used is saved up for one second.
void ClientLimits::Refill(Client* client) {
  const auto rate = static_cast<double>(limits_.client_messages_per_second);
  if (rate == 0) return;
  const SteadyTime now = clock_->SteadyNow();
  if (client->refilled_at_ == SteadyTime::min()) {
    client->tokens_ = rate;
  } else {
    const double seconds = absl::ToDoubleSeconds(absl::FromChrono(now - client->refilled_at_));
    client->tokens_ = std::min(rate, client->tokens_ + rate * seconds);
  }
  client->refilled_at_ = now;
}

void ClientLimits::Release(Client* client, int64_t messages, int64_t bytes) {
  absl::MutexLock lock(&mutex_);
  client->in_flight_messages_ -= messages;
  client->in_flight_bytes_ -= bytes;
  in_flight_bytes_ -= bytes;
}

void ClientLimits::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
}

void ClientLimits::Sweep() {
  absl::MutexLock lock(&mutex_);
  const auto rate = static_cast<double>(limits_.client_messages_per_second);
  absl::erase_if(clients_, [&](auto& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Client* const client = entry.second.get();
    // Nobody can begin to use it meanwhile: that takes the lock.
    if (entry.second.use_count() > 1) return false;
    Refill(client);
    return rate == 0 || client->tokens_ >= rate;
  });
}

int64_t ClientLimits::in_flight_bytes() const {
  absl::MutexLock lock(&mutex_);
  return in_flight_bytes_;
}

size_t ClientLimits::client_count() const {
  absl::MutexLock lock(&mutex_);
  return clients_.size();
}

}  // namespace router
