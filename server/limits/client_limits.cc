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

void Add(ClientLimits::Amount more, ClientLimits::Amount* amount) {
  amount->messages += more.messages;
  amount->bytes += more.bytes;
}

void Subtract(ClientLimits::Amount less, ClientLimits::Amount* amount) {
  amount->messages -= less.messages;
  amount->bytes -= less.bytes;
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

absl::StatusOr<bool> ClientLimits::Enter(Client* client, Amount amount, bool others_wait) {
  absl::optional<Refusal> refusal;
  {
    absl::MutexLock lock(&mutex_);
    const SteadyTime now = clock_->SteadyNow();
    Refill(client, now);
    const absl::optional<Limit> limit = Check(*client, amount);
    if (!limit.has_value()) return TakeIn(client, amount, others_wait, now);
    refusal = Refuse(*limit, *client);
  }
  refusal->count->Increment();
  log_->RepeatingEvent(LogLevel::kWarn, "CLIENT_LIMITED", "a client has reached a limit",
                       {{"client", client->name_}, {"limit", refusal->setting}});
  return std::move(refusal->error);
}

absl::optional<bool> ClientLimits::EnterAgain(Client* client, Amount amount, bool others_wait) {
  absl::MutexLock lock(&mutex_);
  const SteadyTime now = clock_->SteadyNow();
  Refill(client, now);
  if (Check(*client, amount).has_value()) return absl::nullopt;
  return TakeIn(client, amount, others_wait, now);
}

// Whether they have their turn.
bool ClientLimits::TakeIn(Client* client, Amount amount, bool others_wait, SteadyTime now) {
  client->entered_at_ = now;
  if (!client->is_active_) {
    client->is_active_ = true;
    ++active_clients_;
  }
  client->tokens_ -= static_cast<double>(amount.messages);
  Add(amount, &client->in_hand_);
  in_flight_bytes_ += amount.bytes;
  if (others_wait || !HasTurn(*client, amount)) return false;
  BeginTurn(client, amount);
  return true;
}

bool ClientLimits::Start(Client* client, Amount amount) {
  absl::MutexLock lock(&mutex_);
  if (!HasTurn(*client, amount)) return false;
  BeginTurn(client, amount);
  return true;
}

void ClientLimits::BeginTurn(Client* client, Amount amount) {
  Add(amount, &client->on_its_way_);
  Add(amount, &on_its_way_);
}

void ClientLimits::TakeOffTheWay(Client* client, Amount amount) {
  Subtract(amount, &client->on_its_way_);
  Subtract(amount, &on_its_way_);
}

void ClientLimits::EndTurn(Client* client, Amount amount) {
  absl::MutexLock lock(&mutex_);
  TakeOffTheWay(client, amount);
  client->in_hand_.bytes -= amount.bytes;
  in_flight_bytes_ -= amount.bytes;
}

void ClientLimits::Leave(Client* client, Amount amount, bool has_turn) {
  absl::MutexLock lock(&mutex_);
  if (has_turn) TakeOffTheWay(client, amount);
  Subtract(amount, &client->in_hand_);
  in_flight_bytes_ -= amount.bytes;
}

absl::optional<ClientLimits::Limit> ClientLimits::Check(const Client& client, Amount amount) const {
  if (stopped_) return absl::nullopt;
  if (limits_.client_messages_per_second > 0 && client.tokens_ <= 0) {
    return Limit::kClientMessagesPerSecond;
  }
  const Amount& in_hand = client.in_hand_;
  if (Exceeds(in_hand.messages, amount.messages, limits_.client_in_flight_messages_max)) {
    return Limit::kClientInFlightMessages;
  }
  if (Exceeds(in_hand.bytes, amount.bytes, limits_.client_in_flight_bytes_max)) {
    return Limit::kClientInFlightBytes;
  }
  // Where there is no room any more, those have to wait who have more than an even part of it; the
  // others as well where there is twice as much.
  const int64_t max = limits_.in_flight_bytes_max;
  const int64_t part = max / std::max<int64_t>(active_clients_, 1);
  if (Exceeds(in_flight_bytes_, amount.bytes, max) &&
      (Exceeds(in_hand.bytes, amount.bytes, part) ||
       Exceeds(in_flight_bytes_, amount.bytes, 2 * max))) {
    return Limit::kInFlightBytes;
  }
  return absl::nullopt;
}

ClientLimits::Refusal ClientLimits::Refuse(Limit limit, const Client& client) const {
  LimitExceededCounters& exceeded = metrics_->limits_exceeded;
  switch (limit) {
    case Limit::kClientMessagesPerSecond: {
      const int64_t rate = limits_.client_messages_per_second;
      const absl::Duration wait = absl::Seconds((1 - client.tokens_) / static_cast<double>(rate));
      return {"client_max_messages_per_second", &exceeded.client_max_messages_per_second,
              error::ClientRateLimited(rate, wait)};
    }
    case Limit::kClientInFlightMessages:
      return {"client_max_in_flight_messages", &exceeded.client_max_in_flight_messages,
              error::ClientInFlightLimited("messages", client.in_hand_.messages,
                                           limits_.client_in_flight_messages_max, kRetryInFlight)};
    case Limit::kClientInFlightBytes:
      return {"client_max_in_flight_bytes", &exceeded.client_max_in_flight_bytes,
              error::ClientInFlightLimited("bytes", client.in_hand_.bytes,
                                           limits_.client_in_flight_bytes_max, kRetryInFlight)};
    case Limit::kInFlightBytes:
      break;
  }
  return {"publish_max_in_flight_bytes", &exceeded.publish_max_in_flight_bytes,
          error::InFlightLimited(in_flight_bytes_, limits_.in_flight_bytes_max, kRetryInFlight)};
}

// Whoever has less than its share on its way has its turn. A call that is larger than what is left
// of the share exceeds it, so that large calls follow each other without a pause, as long as such
// calls are not too much together.
bool ClientLimits::HasTurn(const Client& client, Amount amount) const {
  if (stopped_) return true;
  const int64_t clients = std::max<int64_t>(active_clients_, 1);
  const int64_t factor = clients == 1 ? kAloneFactor : 1;
  const auto share = [&](int64_t max) { return std::max<int64_t>(1, max * factor / clients); };
  const int64_t messages = share(limits_.shared_messages_max);
  const int64_t bytes = share(limits_.shared_bytes_max);
  const Amount& own = client.on_its_way_;
  if (own.messages >= messages || own.bytes >= bytes) return false;
  if (own.messages + amount.messages <= messages && own.bytes + amount.bytes <= bytes) return true;
  return on_its_way_.messages < kAloneFactor * limits_.shared_messages_max &&
         on_its_way_.bytes < kAloneFactor * limits_.shared_bytes_max;
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

ClientLimits::Amount ClientLimits::client_max() const {
  absl::MutexLock lock(&mutex_);
  return {limits_.client_in_flight_messages_max, limits_.client_in_flight_bytes_max};
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
