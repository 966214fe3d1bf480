#include "clients/cli/yaml.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace router::cli {
namespace {

using Json = nlohmann::ordered_json;

// Whether a string can stand without quotes and still is a string.
bool IsPlain(const std::string& text) {
  if (text.empty() || !absl::ascii_isalpha(static_cast<unsigned char>(text[0]))) return false;
  const bool safe = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.' || c == '/';
  });
  if (!safe) return false;
  const std::string lower = absl::AsciiStrToLower(text);
  for (const char* word : {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}) {
    if (lower == word) return false;
  }
  return true;
}

std::string Scalar(const Json& value) {
  if (value.is_string() && IsPlain(value.get_ref<const std::string&>())) {
    return value.get<std::string>();
  }
  // A JSON string is a double-quoted YAML string; so are numbers, true, false, null, {} and [].
  return value.dump();
}

void Write(const Json& value, size_t indent, std::string& yaml) {
  const std::string spaces(indent, ' ');
  const auto write_child = [&](const Json& child, bool in_list) {
    if (!child.is_structured() || child.empty()) {
      absl::StrAppend(&yaml, " ", Scalar(child), "\n");
    } else if (in_list) {
      // The first line of an element stands behind its dash.
      std::string element;
      Write(child, indent + 2, element);
      absl::StrAppend(&yaml, " ", element.substr(indent + 2));
    } else {
      absl::StrAppend(&yaml, "\n");
      Write(child, indent + 2, yaml);
    }
  };
  if (value.is_object()) {
    for (const auto& [key, child] : value.items()) {
      absl::StrAppend(&yaml, spaces, Scalar(Json(key)), ":");
      write_child(child, false);
    }
  } else {
    for (const Json& child : value) {
      absl::StrAppend(&yaml, spaces, "-");
      write_child(child, true);
    }
  }
}

}  // namespace

std::string JsonToYaml(const std::string& json) {
  const Json value = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return json;
  if (!value.is_structured() || value.empty()) return absl::StrCat(Scalar(value), "\n");
  std::string yaml;
  Write(value, 0, yaml);
  return yaml;
}

}  // namespace router::cli
