#include "server/config/setting_value.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

namespace router {
namespace {

bool IsBytes(const SettingSpec& setting) { return absl::EndsWith(setting.name, "_bytes"); }

// Removes a unit from the end of `text` and returns how many bytes it stands for.
int64_t ConsumeByteUnit(absl::string_view& text) {
  int64_t factor = 1;
  for (absl::string_view unit : {"KiB", "MiB", "GiB", "TiB"}) {
    factor *= 1024;
    if (absl::ConsumeSuffix(&text, unit)) {
      text = absl::StripTrailingAsciiWhitespace(text);
      return factor;
    }
  }
  return 1;
}

bool ParseNumber(const SettingSpec& setting, absl::string_view text, int64_t& number) {
  const int64_t factor = IsBytes(setting) ? ConsumeByteUnit(text) : 1;
  if (!absl::SimpleAtoi(text, &number)) return false;
  if (number > std::numeric_limits<int64_t>::max() / factor) return false;
  number *= factor;
  return number >= setting.min && number <= setting.max;
}

struct Setter {
  const SettingSpec& setting;
  const absl::string_view text;
  Settings& settings;

  bool operator()(bool Settings::*member) const {
    if (text != "true" && text != "false") return false;
    settings.*member = text == "true";
    return true;
  }

  bool operator()(int64_t Settings::*member) const {
    int64_t number = 0;
    if (!ParseNumber(setting, text, number)) return false;
    settings.*member = number;
    return true;
  }

  bool operator()(absl::Duration Settings::*member) const {
    int64_t number = 0;
    if (!ParseNumber(setting, text, number)) return false;
    settings.*member = absl::Milliseconds(number);
    return true;
  }

  bool operator()(std::string Settings::*member) const {
    const auto& choices = setting.choices;
    if (!choices.empty() && std::find(choices.begin(), choices.end(), text) == choices.end()) {
      return false;
    }
    settings.*member = std::string(text);
    return true;
  }

  bool operator()(std::vector<std::string> Settings::*member) const {
    std::vector<std::string> items;
    for (absl::string_view item : absl::StrSplit(text, ',')) {
      item = absl::StripAsciiWhitespace(item);
      if (item.empty()) return false;
      items.emplace_back(item);
    }
    settings.*member = std::move(items);
    return true;
  }
};

struct Formatter {
  const Settings& settings;

  std::string operator()(bool Settings::*member) const {
    return settings.*member ? "true" : "false";
  }
  std::string operator()(int64_t Settings::*member) const { return absl::StrCat(settings.*member); }
  std::string operator()(absl::Duration Settings::*member) const {
    return absl::StrCat(absl::ToInt64Milliseconds(settings.*member));
  }
  std::string operator()(std::string Settings::*member) const { return settings.*member; }
  std::string operator()(std::vector<std::string> Settings::*member) const {
    return absl::StrJoin(settings.*member, ",");
  }
};

}  // namespace

bool SetValue(const SettingSpec& setting, absl::string_view text, Settings& settings) {
  return absl::visit(Setter{setting, text, settings}, setting.member);
}

std::string FormatValue(const SettingSpec& setting, const Settings& settings) {
  return absl::visit(Formatter{settings}, setting.member);
}

bool IsText(const SettingSpec& setting) {
  return absl::holds_alternative<std::string Settings::*>(setting.member);
}

bool IsList(const SettingSpec& setting) {
  return absl::holds_alternative<std::vector<std::string> Settings::*>(setting.member);
}

bool IsBool(const SettingSpec& setting) {
  return absl::holds_alternative<bool Settings::*>(setting.member);
}

std::string AllowedValues(const SettingSpec& setting) {
  if (IsBool(setting)) return "true or false";
  if (!setting.choices.empty()) {
    return absl::StrCat("one of ", absl::StrJoin(setting.choices, ", "));
  }
  if (IsText(setting)) return "text";
  if (IsList(setting)) return "a list separated by commas, without empty items";
  return absl::StrCat("an integer from ", setting.min, " to ", setting.max,
                      IsBytes(setting) ? ", in bytes or with KiB, MiB or GiB" : "");
}

}  // namespace router
