#include "server/config/settings_text.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/config/config.h"
#include "server/config/setting_value.h"
#include "server/config/settings_table.h"

namespace router {
namespace {

constexpr size_t kHelpColumns = 96;

constexpr char kUsage[] =
    "Usage: routerd [--name=value ...]\n"
    "\n"
    "Takes messages over gRPC and delivers them to a broker; keeps them on disk while it is away.\n"
    "\n"
    "  --help          print this\n"
    "  --version       print the version\n"
    "  --check-config  check the configuration, report everything that is wrong, and exit: 0 or "
    "78\n"
    "  --print-config  print the configuration in force as YAML, with the source of each value\n"
    "\n"
    "Each setting is a flag (--nats_urls=..., for booleans --x or --nox), an environment variable\n"
    "(ROUTER_NATS_URLS) and a key of the YAML file that --config names (urls under nats).\n"
    "Flags win over the environment, the environment over the file.\n";

// A string in double quotes, for YAML.
std::string Quoted(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const unsigned char code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      absl::StrAppend(&quoted, "\\", absl::string_view(&c, 1));
    } else if (code < 0x20 || code == 0x7F) {
      absl::StrAppendFormat(&quoted, "\\x%02x", code);
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "\"";
}

std::string YamlValue(const SettingSpec& setting, absl::string_view value) {
  if (IsText(setting)) return Quoted(value);
  if (!IsList(setting)) return std::string(value);
  const std::vector<absl::string_view> items = absl::StrSplit(value, ',');
  return absl::StrCat(
      "[",
      absl::StrJoin(items, ", ",
                    [](std::string* out, absl::string_view item) { out->append(Quoted(item)); }),
      "]");
}

void AppendWrapped(absl::string_view text, absl::string_view indent, std::string& out) {
  size_t column = 0;
  for (absl::string_view word : absl::StrSplit(text, ' ')) {
    if (column > 0 && column + 1 + word.size() > kHelpColumns) {
      out.push_back('\n');
      column = 0;
    }
    const absl::string_view gap = column == 0 ? indent : " ";
    absl::StrAppend(&out, gap, word);
    column += gap.size() + word.size();
  }
  out.push_back('\n');
}

std::string DefaultFor(const SettingSpec& setting) {
  return setting.default_text.empty() ? "none" : std::string(setting.default_text);
}

}  // namespace

std::string PrintConfig(absl::Span<const EffectiveSetting> effective) {
  std::string out = "# The configuration in force. Behind each value stands where it comes from.\n";
  absl::string_view section;
  for (const EffectiveSetting& entry : effective) {
    const SettingSpec& setting = *FindSetting(entry.name);
    if (setting.section != section) {
      section = setting.section;
      absl::StrAppend(&out, section, ":\n");
    }
    absl::StrAppend(&out, setting.in_file ? "" : "# ", section.empty() ? "" : "  ", setting.key(),
                    ": ", YamlValue(setting, entry.value), "  # ", entry.source, "\n");
  }
  return out;
}

std::string HelpText() {
  std::string out = kUsage;
  for (const SettingSpec& setting : SettingsTable()) {
    absl::StrAppend(&out, "\n  --", setting.name, "  (default: ", DefaultFor(setting), ")\n");
    AppendWrapped(setting.description, "      ", out);
    if (!IsText(setting) || !setting.choices.empty()) {
      AppendWrapped(absl::StrCat("Must be ", AllowedValues(setting), "."), "      ", out);
    }
    if (setting.reloadable) AppendWrapped("A reload (SIGHUP) changes it.", "      ", out);
  }
  return out;
}

std::string MarkdownReloadable() {
  std::vector<std::string> names;
  for (const SettingSpec& setting : SettingsTable()) {
    if (setting.reloadable) names.push_back(absl::StrCat("`", setting.name, "`"));
  }
  return absl::StrJoin(names, ", ");
}

std::string MarkdownTable() {
  std::string out =
      "| Setting | In the file | Default | Allowed | Meaning |\n|---|---|---|---|---|\n";
  for (const SettingSpec& setting : SettingsTable()) {
    const std::string place =
        !setting.in_file ? "no"
                         : absl::StrCat("`", setting.section, setting.section.empty() ? "" : ": ",
                                        setting.key(), "`");
    const std::string default_text =
        setting.default_text.empty() ? "" : absl::StrCat("`", setting.default_text, "`");
    absl::StrAppend(&out, "| `", setting.name, "` | ", place, " | ", default_text, " | ",
                    AllowedValues(setting), " | ", setting.description, " |\n");
  }
  return out;
}

}  // namespace router
