#ifndef ROUTER_SERVER_ACCESS_ACCESS_POLICY_H_
#define ROUTER_SERVER_ACCESS_ACCESS_POLICY_H_

#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "server/access/subject_pattern.h"

namespace router {

// What a method needs of its caller.
enum class Permission {
  kNone,  // Anybody may, also without credentials.
  kPublish,
  kSubscribe,
  kView,
  kOperate,
};

// The role that gives it: "publisher", "subscriber", "viewer", "operator"; "" for kNone.
absl::string_view RoleName(Permission permission);

// What one identity may do.
struct Grant {
  bool publisher = false;
  bool subscriber = false;
  bool viewer = false;
  bool operator_ = false;
  bool payloads = false;  // Sees payloads and headers of queued messages and dead letters.
  SubjectSet publish;     // Of a publisher.
  SubjectSet subscribe;   // Of a subscriber.

  // An operator is a viewer, too.
  bool Has(Permission permission) const;
};

// Who may do what: by names that say how a caller was identified, "cert:…", "jwt:…" or "token:…".
class AccessPolicy {
 public:
  static constexpr char kAnyone[] = "*";

  // False where there is a grant of that name already.
  bool Add(const std::string& identity, Grant grant);

  // The identity's own grant, or else that of kAnyone; null where there is neither.
  const Grant* Find(absl::string_view identity) const;

  bool empty() const { return grants_.empty(); }

 private:
  absl::flat_hash_map<std::string, Grant> grants_;
};

}  // namespace router

#endif  // ROUTER_SERVER_ACCESS_ACCESS_POLICY_H_
