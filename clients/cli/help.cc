#include "clients/cli/help.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "clients/cli/units.h"

namespace router::cli {
namespace {

// Two columns.
std::string Columns(const std::vector<std::pair<std::string, std::string>>& rows) {
  size_t width = 0;
  for (const auto& [left, right] : rows) width = std::max(width, DisplayWidth(left));
  std::string text;
  for (const auto& [left, right] : rows) {
    absl::StrAppend(&text, "  ", left, std::string(width - DisplayWidth(left) + 2, ' '), right,
                    "\n");
  }
  return text;
}

std::string FlagsHelp(const std::vector<Flag>& flags) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Flag& flag : flags) {
    const std::string letter =
        flag.letter == '\0' ? "    " : absl::StrCat("-", std::string(1, flag.letter), ", ");
    std::string help = flag.help;
    if (flag.repeated) absl::StrAppend(&help, " (repeated)");
    if (!flag.default_value.empty()) absl::StrAppend(&help, " (default ", flag.default_value, ")");
    rows.emplace_back(
        absl::StrCat(letter, "--", flag.name, flag.value.empty() ? "" : " ", flag.value), help);
  }
  return Columns(rows);
}

std::string UsageOf(const Command& command) {
  return absl::StrCat(command.path, command.operands.empty() ? "" : " ", command.operands);
}

}  // namespace

std::vector<Flag> GlobalFlags() {
  return {
      {"address", "HOST:PORT", "the router; or ROUTERCTL_ADDRESS", "127.0.0.1:50051"},
      {"tls", "", "TLS, with the authorities of the system; or ROUTERCTL_TLS=1", ""},
      {"tls-ca", "FILE", "TLS, with these authorities; or ROUTERCTL_TLS_CA", ""},
      {"tls-cert", "FILE", "own certificate; or ROUTERCTL_TLS_CERT", ""},
      {"tls-key", "FILE", "its key; or ROUTERCTL_TLS_KEY", ""},
      {"tls-server-name", "NAME", "name in the router's certificate; or ROUTERCTL_TLS_SERVER_NAME",
       ""},
      {"token-file", "FILE", "file with a bearer token; or ROUTERCTL_TOKEN_FILE", ""},
      {"timeout", "DURATION", "deadline of every call", "10s"},
      {"output", "table|json|yaml", "what is printed on stdout", "table", 'o'},
      {"yes", "", "answer questions with yes", ""},
      {"no-color", "", "no colours, as with NO_COLOR in the environment", ""},
      {"help", "", "explain the command", "", 'h'},
  };
}

std::string Overview(const std::vector<Command>& commands, const std::string& group) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Command& command : commands) {
    if (group.empty() || command.path.rfind(group + " ", 0) == 0) {
      rows.emplace_back(UsageOf(command), command.summary);
    }
  }
  const std::string prefix = group.empty() ? "" : group + " ";
  return absl::StrCat("routerctl looks into a running router and steers it.\n\nUsage: routerctl ",
                      prefix, "COMMAND [flags]\n\nCommands:\n", Columns(rows),
                      "\nFlags of every command:\n", FlagsHelp(GlobalFlags()),
                      "\nExit codes: 0 ok, 1 error, 2 usage, 3 unavailable, 4 not found, 5 "
                      "precondition, 6 denied, 7 "
                      "partial.\nMore on a command: routerctl ",
                      prefix, "COMMAND --help\n");
}

std::string CommandHelp(const Command& command) {
  std::string text =
      absl::StrCat(command.summary, ".\n\nUsage: routerctl ", UsageOf(command), " [flags]\n");
  if (!command.details.empty()) absl::StrAppend(&text, "\n", command.details, "\n");
  if (!command.flags.empty()) absl::StrAppend(&text, "\nFlags:\n", FlagsHelp(command.flags));
  absl::StrAppend(&text, "\nFlags of every command:\n", FlagsHelp(GlobalFlags()));
  absl::StrAppend(&text, "\nExamples:\n");
  for (const std::string& example : command.examples) absl::StrAppend(&text, "  ", example, "\n");
  return text;
}

}  // namespace router::cli
