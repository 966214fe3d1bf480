#include "server/access/access_file.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/config/strict_yaml.h"
#include "server/config/suggestion.h"

namespace router {
namespace {

constexpr absl::string_view kPrefixes[] = {"cert:", "jwt:", "token:"};

bool IsIdentity(const std::string& name) {
  if (name == AccessPolicy::kAnyone) return true;
  return IsIdentityName(name) &&
         std::any_of(std::begin(kPrefixes), std::end(kPrefixes), [&name](absl::string_view prefix) {
           return absl::StartsWith(name, prefix) && name.size() > prefix.size();
         });
}

// Reads the entry of one identity.
class EntryReader {
 public:
  EntryReader(StrictYaml* yaml, AccessPolicy* policy)
      : yaml_(yaml), policy_(policy), errors_before_(yaml->error_count()) {}

  void Read(const YAML::Node& entry) {
    if (!entry.IsMap()) {
      return yaml_->Error(entry.Mark(), "an identity must be a map with name and roles");
    }
    yaml_->ForEachEntry(
        entry, [this](const std::string& key, const YAML::Node& key_node, const YAML::Node& value) {
          ReadField(key, key_node, value);
        });
    Check(entry.Mark());
  }

 private:
  void ReadField(const std::string& key, const YAML::Node& key_node, const YAML::Node& value) {
    if (key == "name") return ReadName(value);
    if (key == "roles") return ReadRoles(value);
    if (key == "publish") return ReadPatterns(value, &has_publish_, &grant_.publish);
    if (key == "subscribe") return ReadPatterns(value, &has_subscribe_, &grant_.subscribe);
    if (key == "payloads") return ReadPayloads(value);
    yaml_->Error(key_node.Mark(),
                 absl::StrCat("unknown key \"", key, "\"",
                              DidYouMean(ClosestTo(
                                  key, {"name", "roles", "publish", "subscribe", "payloads"}))));
  }

  void ReadName(const YAML::Node& value) {
    if (!value.IsScalar() || !IsIdentity(value.Scalar())) {
      return yaml_->Error(
          value.Mark(), "a name must be cert:NAME, jwt:NAME, token:NAME or \"*\", without spaces");
    }
    name_ = value.Scalar();
  }

  void ReadRoles(const YAML::Node& value) {
    has_roles_ = true;
    if (!value.IsSequence()) return yaml_->Error(value.Mark(), "roles must be a list");
    for (const YAML::Node& item : value) {
      bool* const role = item.IsScalar() ? RoleOf(item.Scalar()) : nullptr;
      if (role != nullptr) {
        *role = true;
        continue;
      }
      const std::string text = item.IsScalar() ? item.Scalar() : "";
      yaml_->Error(item.Mark(), absl::StrCat("a role must be publisher, subscriber, viewer or "
                                             "operator",
                                             DidYouMean(ClosestTo(text, {"publisher", "subscriber",
                                                                         "viewer", "operator"}))));
    }
  }

  bool* RoleOf(const std::string& name) {
    if (name == "publisher") return &grant_.publisher;
    if (name == "subscriber") return &grant_.subscriber;
    if (name == "viewer") return &grant_.viewer;
    if (name == "operator") return &grant_.operator_;
    return nullptr;
  }

  void ReadPatterns(const YAML::Node& value, bool* has_patterns, SubjectSet* set) {
    *has_patterns = true;
    if (!value.IsSequence() || value.size() == 0) {
      return yaml_->Error(value.Mark(), "subjects must be a list of patterns");
    }
    std::vector<std::string> patterns;
    for (const YAML::Node& item : value) {
      const absl::Status checked = item.IsScalar() ? CheckSubjectPattern(item.Scalar())
                                                   : absl::InvalidArgumentError("it is no text");
      if (checked.ok()) {
        patterns.push_back(item.Scalar());
      } else {
        yaml_->Error(item.Mark(), absl::StrCat("not a pattern of subjects: ", checked.message()));
      }
    }
    *set = SubjectSet(std::move(patterns));
  }

  void ReadPayloads(const YAML::Node& value) {
    const std::string text = value.IsScalar() ? value.Scalar() : "";
    if (text != "true" && text != "false") {
      return yaml_->Error(value.Mark(), "payloads must be true or false");
    }
    grant_.payloads = text == "true";
  }

  // What belongs together.
  void Check(const YAML::Mark& mark) {
    if (yaml_->error_count() > errors_before_)
      return;  // What is missing may be what could not be read.
    if (name_.empty()) return yaml_->Error(mark, "an identity without a name");
    if (!has_roles_) return yaml_->Error(mark, "an identity without roles; [] gives none");
    if (grant_.publisher != has_publish_) {
      yaml_->Error(mark,
                   "the role publisher and the key publish need each other; [\">\"] allows "
                   "every subject");
    }
    if (grant_.subscriber != has_subscribe_) {
      yaml_->Error(mark,
                   "the role subscriber and the key subscribe need each other; [\">\"] "
                   "allows every subject");
    }
    if (grant_.payloads && !grant_.Has(Permission::kView)) {
      yaml_->Error(mark, "payloads needs the role viewer or operator");
    }
    if (!policy_->Add(name_, std::move(grant_))) {
      yaml_->Error(mark, absl::StrCat("\"", name_, "\" is there twice"));
    }
  }

  StrictYaml* const yaml_;
  AccessPolicy* const policy_;
  const size_t errors_before_;
  std::string name_;
  Grant grant_;
  bool has_roles_ = false;
  bool has_publish_ = false;
  bool has_subscribe_ = false;
};

}  // namespace

bool IsIdentityName(absl::string_view name) {
  return !name.empty() && name.size() <= kIdentityBytesMax &&
         std::all_of(name.begin(), name.end(), absl::ascii_isgraph);
}

std::vector<std::string> ReadAccessFile(const std::string& path, const std::string& text,
                                        AccessPolicy* policy) {
  StrictYaml yaml(path);
  yaml.Read(text, [&yaml, policy](const YAML::Node& top) {
    if (!top.IsMap()) return yaml.Error(top.Mark(), "the file must be a map with identities");
    yaml.ForEachEntry(top, [&yaml, policy](const std::string& key, const YAML::Node& key_node,
                                           const YAML::Node& value) {
      if (key != "identities") {
        yaml.Error(key_node.Mark(), absl::StrCat("unknown key \"", key, "\"",
                                                 DidYouMean(ClosestTo(key, {"identities"}))));
      } else if (!value.IsSequence()) {
        yaml.Error(value.Mark(), "identities must be a list");
      } else {
        for (const YAML::Node& entry : value) EntryReader(&yaml, policy).Read(entry);
      }
    });
    if (yaml.error_count() == 0 && policy->empty())
      yaml.Error(top.Mark(), "there are no identities");
  });
  return yaml.TakeErrors();
}

}  // namespace router
