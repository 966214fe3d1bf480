#include "server/limits/client_limits.h"

#include <algorithm>
#include <utility>

#include "server/errors/errors.h"

namespace router {
namespace {

// For bytes and messages in hand: about what it takes to answer a good part of them.
constexpr absl::Duration kRetryInFlight = absl::Milliseconds(100);

// Nobody else's messages wait behind those of a client that is alone, until another one comes.
constexpr int64_t kAloneFactor = 8;

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

absl::StatusOr<bool> ClientLimits::Enter(Client* client, Amount amount, bool is_first) {
  absl::optional<Refusal> refusal;
  {
    absl::MutexLock lock(&mutex_);
    const SteadyTime now = clock_->SteadyNow();
    NoteActive(client, now);
    Refill(client, now);
    refusal = Check(*client, amount);
    if (!refusal.has_value()) {
      client->tokens_ -= static_cast<double>(amount.messages);
      client->in_hand_.messages += amount.messages;
      client->in_hand_.bytes += amount.bytes;
      in_flight_bytes_ += amount.bytes;
      if (client->waiting_ == 0 && HasTurn(*client)) {
        BeginTurn(client, amount);
        return true;
      }
      ++client->waiting_;
      return false;
    }
  }
  if (is_first) {
    refusal->count->Increment();
    log_->RepeatingEvent(LogLevel::kWarn, "CLIENT_LIMITED", "a client has reached a limit",
                         {{"client", client->name_}, {"limit", refusal->limit}});
  }
  return std::move(refusal->error);
}

bool ClientLimits::Start(Client* client, Amount amount) {
  absl::MutexLock lock(&mutex_);
  if (!HasTurn(*client)) return false;
  --client->waiting_;
  BeginTurn(client, amount);
  return true;
}

void ClientLimits::BeginTurn(Client* client, Amount amount) {
  client->on_its_way_.messages += amount.messages;
  client->on_its_way_.bytes += amount.bytes;
}

void ClientLimits::Leave(Client* client, Amount amount, bool has_started) {
  absl::MutexLock lock(&mutex_);
  client->in_hand_.messages -= amount.messages;
  client->in_hand_.bytes -= amount.bytes;
  in_flight_bytes_ -= amount.bytes;
  if (has_started) {
    client->on_its_way_.messages -= amount.messages;
    client->on_its_way_.bytes -= amount.bytes;
  } else {
    --client->waiting_;
  }
}

absl::optional<ClientLimits::Refusal> ClientLimits::Check(const Client& client,
                                                          Amount amount) const {
  if (stopped_) return absl::nullopt;
  LimitExceededCounters& exceeded = metrics_->limits_exceeded;
  const int64_t rate = limits_.client_messages_per_second;
  if (rate > 0 && client.tokens_ <= 0) {
    const double to_make_up_for = 1 - client.tokens_;
    const absl::Duration wait = absl::Seconds(to_make_up_for / static_cast<double>(rate));
    return Refusal{"client_max_messages_per_second", &exceeded.client_max_messages_per_second,
                   error::ClientRateLimited(rate, wait)};
  }
  const Amount& in_hand = client.in_hand_;
  if (const int64_t max = limits_.client_in_flight_messages_max;
      Exceeds(in_hand.messages, amount.messages, max)) {
    return Refusal{"client_max_in_flight_messages", &exceeded.client_max_in_flight_messages,
                   error::ClientInFlightLimited("messages", in_hand.messages, max, kRetryInFlight)};
  }
  if (const int64_t max = limits_.client_in_flight_bytes_max;
      Exceeds(in_hand.bytes, amount.bytes, max)) {
    return Refusal{"client_max_in_flight_bytes", &exceeded.client_max_in_flight_bytes,
                   error::ClientInFlightLimited("bytes", in_hand.bytes, max, kRetryInFlight)};
  }
  if (const int64_t max = limits_.in_flight_bytes_max;
      Exceeds(in_flight_bytes_, amount.bytes, max)) {
    return Refusal{"publish_max_in_flight_bytes", &exceeded.publish_max_in_flight_bytes,
                   error::InFlightLimited(in_flight_bytes_, max, kRetryInFlight)};
  }
  return absl::nullopt;
}

// Whoever has less than its share on its way has its turn, however large the next call is: so the
// share is exceeded by one call at most, and large calls follow each other without a pause.
bool ClientLimits::HasTurn(const Client& client) const {
  if (stopped_) return true;
  const int64_t clients = std::max<int64_t>(active_clients_, 1);
  const int64_t factor = clients == 1 ? kAloneFactor : 1;
  return client.on_its_way_.messages <
             std::max<int64_t>(1, limits_.shared_messages_max * factor / clients) &&
         client.on_its_way_.bytes < limits_.shared_bytes_max * factor / clients;
}

void ClientLimits::NoteActive(Client* client, SteadyTime now) {
  client->entered_at_ = now;
  if (client->is_active_) return;
  client->is_active_ = true;
  ++active_clients_;
}

// What is not used is saved up for one second.
void ClientLimits::Refill(Client* client, SteadyTime now) {
  const auto rate = static_cast<double>(limits_.client_messages_per_second);
  if (rate == 0) return;
  if (client->refilled_at_ == SteadyTime::min()) {
    client->tokens_ = rate;
  } else {
    const double seconds = absl::ToDoubleSeconds(absl::FromChrono(now - client->refilled_at_));
    client->tokens_ = std::min(rate, client->tokens_ + rate * seconds);
  }
  client->refilled_at_ = now;
}

void ClientLimits::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
}

void ClientLimits::Sweep() {
  absl::MutexLock lock(&mutex_);
  const SteadyTime now = clock_->SteadyNow();
  const auto rate = static_cast<double>(limits_.client_messages_per_second);
  absl::erase_if(clients_, [&](auto& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Client* const client = entry.second.get();
    const bool is_active = client->in_hand_.messages > 0 ||
                           now < client->entered_at_ + absl::ToChronoNanoseconds(kActiveTime);
    if (client->is_active_ && !is_active) {
      client->is_active_ = false;
      --active_clients_;
    }
    // Nobody can begin to use it meanwhile: that takes the lock.
    if (client->is_active_ || entry.second.use_count() > 1) return false;
    Refill(client, now);
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
