#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/config/config_sources.h"
#include "server/config/setting_value.h"
#include "server/config/suggestion.h"
#include "yaml-cpp/eventhandler.h"
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

// Where a document starts.
class DocumentStart final : public YAML::EventHandler {
 public:
  const YAML::Mark& mark() const { return mark_; }

  void OnDocumentStart(const YAML::Mark& mark) override { mark_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  YAML::Mark mark_;
};

class YamlReader {
 public:
  explicit YamlReader(const std::string& path) : path_(path) {}

  SourceContent Read(const std::string& text) && {
    try {
      CheckDocuments(text);
      ReadTop(YAML::Load(text));
    } catch (const YAML::Exception& error) {
      Error(error.mark, absl::StrCat("not YAML: ", error.msg));
    }
    return std::move(content_);
  }

 private:
  // YAML::LoadAll finds ever more documents where one begins with a comma.
  void CheckDocuments(const std::string& text) {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    DocumentStart first, second;
    if (!parser.HandleNextDocument(first) || !parser.HandleNextDocument(second)) return;
    Error(second.mark(), second.mark().pos == first.mark().pos
                             ? "not YAML: nothing begins like this"
                             : "a second document; the file must have one");
  }

  std::string PlaceOf(const YAML::Mark& mark) const {
    if (mark.is_null()) return path_;
    return absl::StrCat(path_, ":", mark.line + 1, ":", mark.column + 1);
  }

  void Error(const YAML::Mark& mark, absl::string_view problem) {
    content_.errors.push_back(absl::StrCat(PlaceOf(mark), ": ", problem));
  }

  // Calls `visit(key, key_node, value_node)` for the entries of a map whose keys are text and new.
  template <typename Visit>
  void ForEachEntry(const YAML::Node& map, Visit visit) {
    std::set<std::string> seen;
    for (const auto& entry : map) {
      if (!entry.first.IsScalar()) {
        Error(entry.first.Mark(), "a key must be the name of a setting or of a section");
      } else if (!seen.insert(entry.first.Scalar()).second) {
        Error(entry.first.Mark(), absl::StrCat("\"", entry.first.Scalar(), "\" is there twice"));
      } else {
        visit(entry.first.Scalar(), entry.first, entry.second);
      }
    }
  }

  void ReadTop(const YAML::Node& top) {
    if (top.IsNull()) return;
    if (!top.IsMap()) {
      Error(top.Mark(), "the file must be a map of settings and sections");
      return;
    }
    ForEachEntry(
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
      Error(entries.Mark(), absl::StrCat("\"", section,
                                         "\" is a section; its settings stand below "
                                         "it, one per line"));
      return;
    }
    ForEachEntry(entries, [this, &section](const std::string& key, const YAML::Node& key_node,
                                           const YAML::Node& value) {
      ReadSetting(section, key, key_node, value);
    });
  }

  void ReadSetting(const std::string& section, const std::string& key, const YAML::Node& key_node,
                   const YAML::Node& value) {
    const SettingSpec* const setting = FindInFile(section, key);
    if (setting == nullptr) {
      Error(key_node.Mark(), Unknown(section, key, value.IsMap()));
    } else if (value.IsScalar()) {
      content_.assignments.push_back({setting, value.Scalar(), PlaceOf(value.Mark())});
    } else if (value.IsSequence() && IsList(*setting)) {
      ReadList(*setting, value);
    } else {
      const YAML::Mark mark = value.IsNull() ? key_node.Mark() : value.Mark();
      Error(mark, absl::StrCat("\"", key, "\" has no value; it must be ", AllowedValues(*setting)));
    }
  }

  void ReadList(const SettingSpec& setting, const YAML::Node& items) {
    std::vector<std::string> texts;
    for (const YAML::Node& item : items) {
      if (!item.IsScalar()) {
        Error(item.Mark(), absl::StrCat("the items of \"", setting.key(), "\" must be text"));
        return;
      }
      texts.push_back(item.Scalar());
    }
    content_.assignments.push_back({&setting, absl::StrJoin(texts, ","), PlaceOf(items.Mark())});
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

  const std::string& path_;
  SourceContent content_;
};

}  // namespace

SourceContent ReadYaml(const std::string& path, const std::string& text) {
  return YamlReader(path).Read(text);
}

}  // namespace router
