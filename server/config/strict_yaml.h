#ifndef ROUTER_SERVER_CONFIG_STRICT_YAML_H_
#define ROUTER_SERVER_CONFIG_STRICT_YAML_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "yaml-cpp/yaml.h"

namespace router {

// Reads a YAML file that has one document, and collects everything that is wrong with it, each
// with its place: "router.yaml:3:5: …". Not thread-safe.
class StrictYaml {
 public:
  // `path` is for messages only, and must outlive this object. `is_secret`: no message may repeat
  // anything of the file, as it may hold a secret in a wrong place.
  explicit StrictYaml(const std::string& path, bool is_secret = false)
      : path_(path), is_secret_(is_secret) {}

  // Hands over the top node of `text`, where it is YAML. May throw nothing but what `read` throws
  // beside YAML::Exception.
  void Read(const std::string& text, absl::FunctionRef<void(const YAML::Node& top)> read);

  // Calls `visit` for the entries of a map whose keys are text and there for the first time; the
  // others are errors.
  using EntryVisitor = absl::FunctionRef<void(const std::string& key, const YAML::Node& key_node,
                                              const YAML::Node& value)>;
  void ForEachEntry(const YAML::Node& map, EntryVisitor visit);

  std::string PlaceOf(const YAML::Mark& mark) const;
  void Error(const YAML::Mark& mark, absl::string_view problem);

  size_t error_count() const { return errors_.size(); }
  std::vector<std::string> TakeErrors() { return std::move(errors_); }

 private:
  void CheckDocuments(const std::string& text);

  const std::string& path_;
  const bool is_secret_;
  std::vector<std::string> errors_;
};

}  // namespace router

#endif  // ROUTER_SERVER_CONFIG_STRICT_YAML_H_
