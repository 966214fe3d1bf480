#include "server/failpoints/failpoint_transport.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/operation.h"

namespace router {
namespace {

bool IsRedelivered(const Delivery* delivery) {
  return static_cast<const Operation*>(delivery)->batch == nullptr;
}

bool HaveSameKey(const Delivery* one, const Delivery* other) {
  return static_cast<const Operation*>(one)->key_hash ==
         static_cast<const Operation*>(other)->key_hash;
}

}  // namespace

FailpointTransport::FailpointTransport(std::unique_ptr<Transport> transport, Failpoints* failpoints)
    : failpoints_(failpoints), transport_(std::move(transport)) {}

FailpointTransport::~FailpointTransport() = default;

absl::Status FailpointTransport::Start(Transport::Observer* observer) {
  observer_ = observer;
  return transport_->Start(this);
}

void FailpointTransport::Publish(absl::Span<Delivery* const> deliveries) {
  std::vector<Delivery*> changed(deliveries.begin(), deliveries.end());
  for (Delivery* delivery : changed) {
    if (IsRedelivered(delivery) && failpoints_->Strikes(Failpoint::kNewId)) GiveNewId(delivery);
    if (delivery->first_sent_time != absl::InfiniteFuture() &&
        failpoints_->Strikes(Failpoint::kDoNotLook)) {
      delivery->first_sent_time = absl::InfiniteFuture();
    }
  }
  for (size_t first = 0; first < changed.size(); ++first) {
    for (size_t next = first + 1; next < changed.size(); ++next) {
      if (!HaveSameKey(changed[first], changed[next])) continue;
      if (failpoints_->Strikes(Failpoint::kSwap)) std::swap(changed[first], changed[next]);
      break;
    }
  }
  transport_->Publish(changed);
  failpoints_->Kill(Failpoint::kKillAfterPublish);
}

void FailpointTransport::GiveNewId(Delivery* delivery) {
  absl::MutexLock lock(&mutex_);
  ids_.push_back(absl::StrCat(delivery->message.message_id, ".", ids_.size()));
  delivery->message.message_id = ids_.back();
}

void FailpointTransport::OnDown(absl::FunctionRef<std::vector<Delivery*>()> take_unsettled) {
  observer_->OnDown([&] {
    std::vector<Delivery*> taken = take_unsettled();
    for (Delivery* delivery : taken) {
      if (delivery->verdict != Verdict::kInDoubt || IsRedelivered(delivery)) continue;
      if (failpoints_->Strikes(Failpoint::kConfirmInDoubt)) delivery->verdict = Verdict::kConfirmed;
    }
    return taken;
  });
}

void FailpointTransport::OnSettled(absl::Span<Delivery* const> deliveries) {
  failpoints_->Kill(Failpoint::kKillBeforeSettle);
  std::vector<Delivery*> kept;
  kept.reserve(deliveries.size());
  for (Delivery* delivery : deliveries) {
    const bool forget = !IsRedelivered(delivery) && failpoints_->Strikes(Failpoint::kForgetSettled);
    if (!forget) kept.push_back(delivery);
  }
  if (!kept.empty()) observer_->OnSettled(kept);
}

}  // namespace router
