#include "clients/cli/arguments.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace router::cli {
namespace {

// How many letters have to be put in, taken out or replaced.
int EditDistance(const std::string& a, const std::string& b) {
  std::vector<int> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

absl::StatusOr<FlagMatch> FindLetter(const std::string& element, const std::vector<Flag>& flags) {
  for (const Flag& flag : flags) {
    if (flag.letter == '\0' || element[1] != flag.letter) continue;
    if (element.size() == 2) return FlagMatch{&flag, false, ""};
    if (!flag.value.empty()) return FlagMatch{&flag, true, element.substr(2)};
  }
  return UsageError(absl::StrCat("unknown flag ", element));
}

}  // namespace

absl::Status UsageError(const std::string& message) { return absl::InvalidArgumentError(message); }

std::string DidYouMean(const std::string& word, const std::vector<std::string>& names) {
  const std::string* best = nullptr;
  int best_distance = std::max<int>(2, static_cast<int>(word.size()) / 3) + 1;
  for (const std::string& name : names) {
    const int distance = EditDistance(word, name);
    if (distance < best_distance) {
      best = &name;
      best_distance = distance;
    }
  }
  return best == nullptr ? "" : absl::StrCat(" (did you mean \"", *best, "\"?)");
}

absl::StatusOr<FlagMatch> FindFlag(const std::string& element, const std::vector<Flag>& flags) {
  if (element.rfind("--", 0) != 0) return FindLetter(element, flags);
  const size_t equals = element.find('=');
  const std::string name = element.substr(2, equals == std::string::npos ? equals : equals - 2);
  std::vector<std::string> names;
  for (const Flag& flag : flags) {
    if (flag.name == name) {
      const bool has_value = equals != std::string::npos;
      return FlagMatch{&flag, has_value, has_value ? element.substr(equals + 1) : ""};
    }
    names.push_back(absl::StrCat("--", flag.name));
  }
  const std::string given = absl::StrCat("--", name);
  return UsageError(absl::StrCat("unknown flag ", given, DidYouMean(given, names)));
}

bool IsFlag(const std::string& element) { return element.size() > 1 && element[0] == '-'; }

absl::StatusOr<Arguments> Arguments::Parse(const std::vector<std::string>& elements,
                                           const std::vector<Flag>& flags) {
  Arguments arguments;
  for (const Flag& flag : flags) arguments.defaults_[flag.name] = flag.default_value;
  for (size_t i = 0; i < elements.size(); ++i) {
    const std::string& element = elements[i];
    if (element == "--") {
      arguments.operands_.insert(arguments.operands_.end(), elements.begin() + i + 1,
                                 elements.end());
      break;
    }
    if (!IsFlag(element)) {
      arguments.operands_.push_back(element);
      continue;
    }
    auto match = FindFlag(element, flags);
    if (!match.ok()) return match.status();
    const Flag& flag = *match->flag;
    if (flag.value.empty() && match->has_value) {
      return UsageError(absl::StrCat("--", flag.name, " takes no value"));
    }
    if (!flag.value.empty() && !match->has_value) {
      if (++i == elements.size()) {
        return UsageError(absl::StrCat("--", flag.name, " needs a value: ", flag.value));
      }
      match->value = elements[i];
    }
    std::vector<std::string>& values = arguments.values_[flag.name];
    if (!values.empty() && !flag.repeated) {
      return UsageError(absl::StrCat("--", flag.name, " is given twice"));
    }
    values.push_back(match->value);
  }
  return arguments;
}

std::string Arguments::Get(const std::string& name) const {
  const auto values = values_.find(name);
  if (values != values_.end()) return values->second.back();
  const auto default_value = defaults_.find(name);
  return default_value == defaults_.end() ? "" : default_value->second;
}

std::vector<std::string> Arguments::GetAll(const std::string& name) const {
  const auto values = values_.find(name);
  return values == values_.end() ? std::vector<std::string>() : values->second;
}

absl::StatusOr<absl::Duration> Arguments::GetDuration(const std::string& name) const {
  const std::string text = Get(name);
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration <= absl::ZeroDuration()) {
    return UsageError(absl::StrFormat(
        "--%s: \"%s\" is not a duration above zero, such as 15m, 1h30m or 500ms", name, text));
  }
  return duration;
}

absl::StatusOr<int64_t> Arguments::GetInteger(const std::string& name, int64_t min,
                                              int64_t max) const {
  const std::string text = Get(name);
  int64_t number = 0;
  if (!absl::SimpleAtoi(text, &number) || number < min || number > max) {
    return UsageError(
        absl::StrFormat("--%s: \"%s\" is not a number from %d to %d", name, text, min, max));
  }
  return number;
}

}  // namespace router::cli
