#ifndef ROUTER_SERVER_ACCESS_ACCESS_CONTROL_H_
#define ROUTER_SERVER_ACCESS_ACCESS_CONTROL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "server/access/access_rules.h"
#include "server/access/denial_log.h"
#include "server/access/method_rules.h"
#include "server/base/clock.h"
#include "server/base/operation.h"

namespace router {

// What a caller shows.
struct Credentials {
  std::string certificate_name;  // Of a client certificate that the handshake has verified.
  std::vector<absl::string_view> authorization;  // Values of that header.
  std::string address;
  bool certificate_has_no_name = false;  // There is such a certificate, and nobody's name in it.
};

// A caller that was let in, with what it may do, as the rules were then.
class Caller {
 public:
  const std::string& identity() const { return identity_; }
  const std::string& address() const { return address_; }
  const Grant& grant() const { return *grant_; }

 private:
  friend class AccessControl;

  std::string identity_;
  std::string address_;
  absl::optional<std::string> token_;  // What was shown; nothing: the certificate counted.
  absl::Time expire_time_;
  std::shared_ptr<const AccessRules> rules_;  // Keeps `grant_` alive.
  const Grant* grant_ = nullptr;
};

// Decides who a caller is and what it may do. Every no is counted, logged and audited. Thread-safe.
class AccessControl {
 public:
  using RulesSource = std::function<std::shared_ptr<const AccessRules>()>;

  // `rules` gives those in force; never null. Borrows the others.
  AccessControl(RulesSource rules, Clock* clock, DenialLog* denials);

  // Lets a caller in to a method. A bearer token, where one is shown, is what counts, and the
  // client certificate otherwise. UNAUTHENTICATED: CREDENTIALS_MISSING, CREDENTIALS_INVALID,
  // CREDENTIALS_EXPIRED, or IDENTITY_UNKNOWN for somebody of whom the rules say nothing.
  // PERMISSION_DENIED: METHOD_NOT_ALLOWED. A null `rule` is for nobody.
  absl::StatusOr<Caller> Admit(const Credentials& credentials, absl::string_view method,
                               const MethodRule* rule);

  // The same for a caller that was let in before, as rules change and tokens expire or are revoked
  // while a stream is open: once the rules are others, the token it came with has to be good by
  // them, and the same identity's. Costs next to nothing while nothing has changed.
  absl::Status Renew(const MethodRule& rule, Caller* caller);

  // PAYLOADS_NOT_ALLOWED unless the caller may see payloads.
  absl::Status CheckPayloads(const Caller& caller, absl::string_view method);

  // Rejects those operations of a batch, among the ones that are not rejected yet, whose subject
  // the caller may not publish to: SUBJECT_NOT_ALLOWED.
  void RejectSubjects(const Caller& caller, absl::string_view method, PublishBatch* batch);

  // Writes down what was denied. Waits for the disk.
  void FlushDenials() { denials_->Flush(); }

 private:
  using RulesPtr = std::shared_ptr<const AccessRules>;

  absl::StatusOr<Identity> Identify(const Credentials& credentials, const RulesPtr& rules,
                                    std::string* detail);
  absl::StatusOr<Identity> IdentifyBearer(absl::string_view token, const RulesPtr& rules,
                                          std::string* detail);
  absl::StatusOr<Identity> IdentifyToken(absl::string_view token, const RulesPtr& rules,
                                         absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status RenewIdentity(const RulesPtr& rules, Caller* caller, std::string* detail);
  absl::Status Authorize(const std::string& identity, const MethodRule* rule,
                         absl::string_view method, const AccessRules& rules, const Grant** grant);

  const RulesSource rules_;
  Clock* const clock_;
  DenialLog* const denials_;

  absl::Mutex mutex_;
  // Tokens that were found right, by hash: checking a signature costs more than a publish.
  absl::flat_hash_map<std::string, Identity> known_tokens_ ABSL_GUARDED_BY(mutex_);
  RulesPtr known_under_ ABSL_GUARDED_BY(mutex_);  // By these rules.
};

}  // namespace router

#endif  // ROUTER_SERVER_ACCESS_ACCESS_CONTROL_H_
