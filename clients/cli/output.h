// What routerctl prints on stdout: tables for people; JSON and YAML for programs.
#ifndef ROUTER_CLIENTS_CLI_OUTPUT_H_
#define ROUTER_CLIENTS_CLI_OUTPUT_H_

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "clients/cli/command.h"
#include "google/protobuf/message.h"

namespace router::cli {

// Columns as wide as they have to be, two spaces apart. Control characters are escaped.
class Table {
 public:
  explicit Table(std::vector<std::string> headings) : rows_{std::move(headings)} {}
  void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  void Print(std::ostream& out) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// Names and values under each other. Empty values are left out.
using Properties = std::vector<std::pair<std::string, std::string>>;
void PrintProperties(const Properties& properties, std::ostream& out);

// The protobuf JSON mapping, as grpcurl and buf curl print it: lowerCamelCase names, 64-bit
// integers as strings, bytes in base64. Fields that are zero are printed too, so that scripts find
// them.
std::string ToJson(const google::protobuf::Message& message, bool on_one_line);
// YAML with the same names and values.
std::string ToYaml(const google::protobuf::Message& message);

// Prints a message as JSON or YAML. One of several (`more_follow`): JSON on one line, YAML as a
// document of its own.
void PrintMessage(const Invocation& invocation, const google::protobuf::Message& message,
                  bool more_follow = false);

// "CONNECTION_STATE_CONNECTED" with the prefix "CONNECTION_STATE_" is "CONNECTED".
std::string ShortName(const std::string& enum_name, const std::string& prefix);

// Text in a terminal's colour, where colours are wanted.
enum class Color { kGreen, kYellow, kRed };
std::string Colored(const Invocation& invocation, Color color, const std::string& text);

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_OUTPUT_H_
