#include "clients/cli/output.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/units.h"
#include "clients/cli/yaml.h"
#include "google/protobuf/util/json_util.h"

namespace router::cli {

void Table::Print(std::ostream& out) const {
  std::vector<size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], DisplayWidth(Printable(row[i])));
    }
  }
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string cell = Printable(row[i]);
      absl::StrAppend(&line, cell, std::string(widths[i] - DisplayWidth(cell) + 2, ' '));
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << "\n";
  }
}

void PrintProperties(const Properties& properties, std::ostream& out) {
  size_t width = 0;
  for (const auto& [name, value] : properties) {
    if (!value.empty()) width = std::max(width, DisplayWidth(name));
  }
  for (const auto& [name, value] : properties) {
    if (value.empty()) continue;
    out << name << std::string(width - DisplayWidth(name) + 2, ' ') << value << "\n";
  }
}

std::string ToJson(const google::protobuf::Message& message, bool on_one_line) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.add_whitespace = !on_one_line;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  // Only an Any of unknown type can fail; its type and bytes are all that is known.
  if (!status.ok()) return absl::StrCat("{\"error\": \"", status.message().ToString(), "\"}\n");
  if (on_one_line) json.push_back('\n');
  return json;
}

std::string ToYaml(const google::protobuf::Message& message) {
  return JsonToYaml(ToJson(message, /*on_one_line=*/true));
}

void PrintMessage(const Invocation& invocation, const google::protobuf::Message& message,
                  bool more_follow) {
  std::ostream& out = invocation.environment.out;
  if (invocation.options.format == OutputFormat::kYaml) {
    out << (more_follow ? "---\n" : "") << ToYaml(message);
  } else {
    out << ToJson(message, more_follow);
  }
}

std::string ShortName(const std::string& enum_name, const std::string& prefix) {
  return absl::StartsWith(enum_name, prefix) ? enum_name.substr(prefix.size()) : enum_name;
}

std::string Colored(const Invocation& invocation, Color color, const std::string& text) {
  if (!invocation.options.color) return text;
  const char* code = color == Color::kGreen ? "32" : color == Color::kYellow ? "33" : "31";
  return absl::StrCat("\x1b[", code, "m", text, "\x1b[0m");
}

}  // namespace router::cli
