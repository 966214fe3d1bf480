#include "server/access/access_policy.h"

namespace router {

absl::string_view RoleName(Permission permission) {
  switch (permission) {
    case Permission::kNone:
      break;
    case Permission::kPublish:
      return "publisher";
    case Permission::kSubscribe:
      return "subscriber";
    case Permission::kView:
      return "viewer";
    case Permission::kOperate:
      return "operator";
  }
  return "";
}

bool Grant::Has(Permission permission) const {
  switch (permission) {
    case Permission::kNone:
      return true;
    case Permission::kPublish:
      return publisher;
    case Permission::kSubscribe:
      return subscriber;
    case Permission::kView:
      return viewer || operator_;
    case Permission::kOperate:
      return operator_;
  }
  return false;
}

bool AccessPolicy::Add(const std::string& identity, Grant grant) {
  return grants_.emplace(identity, std::move(grant)).second;
}

const Grant* AccessPolicy::Find(absl::string_view identity) const {
  auto found = grants_.find(identity);
  if (found == grants_.end()) found = grants_.find(kAnyone);
  return found == grants_.end() ? nullptr : &found->second;
}

}  // namespace router
