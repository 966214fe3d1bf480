#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/config/config_sources.h"
#include "server/config/setting_value.h"
#include "server/config/strict_yaml.h"
#include "server/config/suggestion.h"
#include "yaml-cpp/yaml.h"

namespace router {
namespace {

bool IsSection(absl::string_view name) {
  for (const SettingSpec& setting : SettingsTable()) {
    if (!name.empty() && setting.section == name) return true;
  }
  return false;
}

const SettingSpec* FindInFile(absl::string_view section, absl::string_view key) {
  for (const SettingSpec& setting : SettingsTable()) {
    if (setting.in_file && setting.section == section && setting.key() == key) return &setting;
  }
  return nullptr;
}

class YamlReader {
 public:
  explicit YamlReader(const std::string& path) : yaml_(path) {}

  SourceContent Read(const std::string& text) && {
    yaml_.Read(text, [this](const YAML::Node& top) { ReadTop(top); });
    content_.errors = yaml_.TakeErrors();
    return std::move(content_);
  }

 private:
  void ReadTop(const YAML::Node& top) {
    if (top.IsNull()) return;
    if (!top.IsMap()) {
      yaml_.Error(top.Mark(), "the file must be a map of settings and sections");
      return;
    }
    yaml_.ForEachEntry(
        top, [this](const std::string& key, const YAML::Node& key_node, const YAML::Node& value) {
          if (IsSection(key)) {
            ReadSection(key, value);
          } else {
            ReadSetting("", key, key_node, value);
          }
        });
  }

  void ReadSection(const std::string& section, const YAML::Node& entries) {
    if (entries.IsNull()) return;
    if (!entries.IsMap()) {
      yaml_.Error(entries.Mark(), absl::StrCat("\"", section,
                                               "\" is a section; its settings stand below "
                                               "it, one per line"));
      return;
    }
    yaml_.ForEachEntry(entries, [this, &section](const std::string& key, const YAML::Node& key_node,
                                                 const YAML::Node& value) {
      ReadSetting(section, key, key_node, value);
    });
  }

  void ReadSetting(const std::string& section, const std::string& key, const YAML::Node& key_node,
                   const YAML::Node& value) {
    const SettingSpec* const setting = FindInFile(section, key);
    if (setting == nullptr) {
      yaml_.Error(key_node.Mark(), Unknown(section, key, value.IsMap()));
    } else if (value.IsScalar()) {
      content_.assignments.push_back({setting, value.Scalar(), yaml_.PlaceOf(value.Mark())});
    } else if (value.IsSequence() && IsList(*setting)) {
      ReadList(*setting, value);
    } else {
      const YAML::Mark mark = value.IsNull() ? key_node.Mark() : value.Mark();
      yaml_.Error(mark,
                  absl::StrCat("\"", key, "\" has no value; it must be ", AllowedValues(*setting)));
    }
  }

  void ReadList(const SettingSpec& setting, const YAML::Node& items) {
    std::vector<std::string> texts;
    for (const YAML::Node& item : items) {
      if (!item.IsScalar()) {
        yaml_.Error(item.Mark(), absl::StrCat("the items of \"", setting.key(), "\" must be text"));
        return;
      }
      texts.push_back(item.Scalar());
    }
    content_.assignments.push_back(
        {&setting, absl::StrJoin(texts, ","), yaml_.PlaceOf(items.Mark())});
  }

  // The message for a key that is not known: with the nearest one of this section, else with the
  // one whose full name, as flags have it, is the nearest.
  static std::string Unknown(const std::string& section, const std::string& key, bool is_map) {
    std::vector<absl::string_view> here;
    std::vector<absl::string_view> everywhere;
    for (const SettingSpec& setting : SettingsTable()) {
      if (!setting.in_file) continue;
      if (setting.section == section && !is_map) here.push_back(setting.key());
      if (section.empty() && is_map && !setting.section.empty()) here.push_back(setting.section);
      everywhere.push_back(setting.name);
    }
    std::string message = absl::StrCat("unknown key \"", key, "\"",
                                       section.empty() ? "" : absl::StrCat(" under ", section));
    const absl::string_view near = ClosestTo(key, here);
    if (!near.empty() || is_map) return message + DidYouMean(near);
    const SettingSpec* far = FindSetting(ClosestTo(key, everywhere));
    if (far == nullptr) far = FindSetting(ClosestTo(absl::StrCat(section, "_", key), everywhere));
    if (far == nullptr) return message;
    const std::string where =
        far->section.empty() ? " at the top level" : absl::StrCat(" under ", far->section);
    return absl::StrCat(message, "; did you mean \"", far->key(), "\"", where, "?");
  }

  StrictYaml yaml_;
  SourceContent content_;
};

}  // namespace

SourceContent ReadYaml(const std::string& path, const std::string& text) {
  return YamlReader(path).Read(text);
}

}  // namespace router
